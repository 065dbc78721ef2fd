"""`reevaluate`, and how `show` tells what moved."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples.judged import LIO, judged, write_known

from gnome_lite.cli import main


@pytest.fixture
def oxides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    judged(tmp_path)
    monkeypatch.setenv("GNOME_LITE_HOME", str(tmp_path))
    monkeypatch.delenv("GNOME_LITE_DATABASE_URL", raising=False)
    return tmp_path


def test_known_crystals_that_changed_move_the_verdicts(oxides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reevaluate"]) == 0
    assert "0 of 1 verdicts affected by crystals verified since, 0 moved" in capsys.readouterr().out
    write_known(oxides / "known.extxyz", with_li2o=True)
    assert main(["reevaluate", "oxides"]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 verdicts affected by other references, 1 moved: 0 onto the hull, 1 off it" in out
    assert f"{LIO.content_id}  0.0000 -> 0.5000 eV/atom above hull" in out
    assert main(["show", LIO.content_id]) == 0
    out = capsys.readouterr().out
    assert "surrogate-unstable, 500.0 meV/atom above the hull, at level test-1" in out
    assert "oxides round 1: surrogate-stable, 0.0000 above hull" in out
    assert "for other references: surrogate-unstable, 0.5000 above hull" in out
    assert "moved: above hull +500.0; decomposition energy +1500.0; off the hull; new competing phase Li2O [" in out
    assert main(["reevaluate"]) == 0
    assert "0 moved" in capsys.readouterr().out


def test_what_cannot_be_done_is_named(oxides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reevaluate", "nitrides"]) == 2
    assert "has no campaign 'nitrides': it has oxides" in capsys.readouterr().err
    (oxides / "known.extxyz").unlink()
    assert main(["reevaluate"]) == 2
    assert "known.extxyz" in capsys.readouterr().err
    assert main(["reevaluate", "--home", str(oxides / "nowhere")]) == 2
    assert "gnome-lite run" in capsys.readouterr().err
