"""The record of full counts: it goes on where it stopped, and the page tells what came of them.

Covers `soak` and `soak_report`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import soak
from soak_report import collected, page

TEST = '''
from pathlib import Path
from soak import counted

@counted(2, 30, "kills", parts=3)
def test_it(trials):
    """Promise 1: it holds."""
    with Path("ran").open("a") as file:
        file.write(f"{trials.start} ")
    assert trials.start != 10 or Path("mended").exists()

def test_always():
    """Promise 12: on every run."""
'''


def ran(folder: Path, marked: str) -> list[int]:
    """Where the trials began that a run of some tests did."""
    (folder / "ran").write_text("")
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", str(folder), "-m", marked]
    pytest.main([*options, str(folder / "test_it.py")], [soak])
    return [int(start) for start in (folder / "ran").read_text().split()]


def test_a_soak_goes_on_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_it.py").write_text(TEST)
    assert ran(tmp_path, "not soak") == [0]
    assert list(soak.finished()) == []
    assert ran(tmp_path, "soak") == [0, 10, 20]
    assert [(r["count"], r["outcome"]) for r in soak.finished()] == [(10, "passed"), (10, "failed"), (10, "passed")]
    items = collected(tmp_path / "test_it.py", [soak])
    assert "| 30 of 30 kills | **fell** |" in page(items, list(soak.finished()))
    (tmp_path / "mended").touch()
    assert ran(tmp_path, "soak") == [10]
    assert ran(tmp_path, "soak") == []
    text = page(items, list(soak.finished()))
    assert "| 30 of 30 kills | held |" in text
    assert "| on every run | held |" in text
    assert "no test names it yet" in text
