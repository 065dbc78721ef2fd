"""Every benchmark runs to its end at its smallest size, and what was measured before is left alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS, RESULTS
from benchmarks.rows import missing
from benchmarks.sizes import SIZES, Effort, size

ROOT = Path(__file__).parents[2]
LONGEST = ("learning_rediscovery", "learning_campaign", "learning_from_little")
"""Left to `make smoke`: minutes, and the tests of evaluation run the same code."""
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}


def test_every_module_that_measures_is_in_the_list() -> None:
    assert sorted(PARTS) == sorted(name for name, text in SOURCES.items() if "\ndef measure(effort" in text)


def test_every_size_is_asked_for_and_smoke_is_the_smallest() -> None:
    asked = {word for text in SOURCES.values() for word in re.findall(r"\w+\.\w+(?=\")", text)}
    for name, (smoke, default, long) in SIZES.items():
        module, what = name.split(".")
        assert name in asked or f'"{what}"' in SOURCES[module], f"nobody asks for {name}"
        assert smoke <= max(default, long)
    assert size("stability_store.stored", Effort.LONG) == 50_000


def test_a_missing_peer_is_a_row() -> None:
    row = missing("random NaCl", "PyXtal", "1/s", 12.5)
    assert (row.ours, row.peer, row.peer_name, row.ok) == (12.5, None, "PyXtal not installed", None)


def test_smoke_figures_are_never_kept() -> None:
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--keep"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "mean nothing" in refused.stderr


@pytest.mark.slow
def test_benchmarks_run(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in RESULTS.iterdir()}
    parts = [part for part in PARTS if part not in LONGEST]
    command = [sys.executable, "-m", "benchmarks", "--smoke", *parts, "--json", str(tmp_path / "rows.json")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "skipped" not in ended.stderr
    seconds = dict(re.findall(r"^(\w+): ([\d.]+) s$", ended.stderr, re.MULTILINE))
    assert sorted(seconds) == sorted(parts)
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert len(rows) > len(parts)
    assert {path: path.read_bytes() for path in RESULTS.iterdir()} == before
