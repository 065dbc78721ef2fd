"""`ask` and `tell` on the command line: what is said, and bad input in one line. Covers `ask`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samples import vasp_stand_in
from samples.asked import LIF, NAMNF3, home_with_campaign

from gnome_lite.cli import main
from gnome_lite.verify.files.manifest import MANIFEST


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home_with_campaign(tmp_path / "home")
    monkeypatch.setenv("GNOME_LITE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GNOME_LITE_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
def test_asked_and_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """LiF with its elements, and NaMnF3, whose run is cut short and whose elements are not run."""
    assert main(["ask", "out", "--level", "vasp-mp", "--n", "20", "--above-hull", "0.05"]) == 0
    said = capsys.readouterr()
    assert LIF in said.out
    assert "2 crystals and 4 competing phases of campaign first asked for at level mp-GGA_GGA+U-MP2020" in said.err
    assert "gnome-lite tell out" in said.err
    for member in json.loads((tmp_path / "out" / MANIFEST).read_text())["members"]:
        if member["formula"] not in ("Na", "Mn"):
            vasp_stand_in.run(tmp_path / "out" / member["folder"])
    path = tmp_path / "out" / NAMNF3 / "vasprun.xml"
    path.write_text(path.read_text()[:-20])
    assert main(["tell", "out"]) == 0
    said = capsys.readouterr()
    assert "verdicts new or moved: 1, of these stable: 1" in said.out
    assert f"passed over: {NAMNF3} (NaMnF3): vasprun.xml ends early or is damaged" in said.err
    assert "1 crystal and 2 competing phases told, 0 before, 2 open, 1 passed over" in said.err
    path.unlink()
    assert main(["tell", "out"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "0 crystals and 0 competing phases told, 3 before, 3 open, 0 passed over" in said.err
    assert main(["query", "--level", "mp-GGA", "--stable", "--format", "csv"]) == 0
    assert LIF in capsys.readouterr().out


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "out"], ["--level"]),
        (["ask", "out", "--level", "vasp"], ["no DFT level 'vasp'", "choose from"]),
        (["ask", "home", "--level", "vasp-mp"], ["home exists", "name a new folder"]),
        (["ask", "out", "--level", "vasp-mp", "--n", "0"], ["--n"]),
        (["ask", "out", "--level", "vasp-mp", "--set", "ENCUT=300"], ["'ENCUT'", "allowed are none"]),
        (["ask", "out", "--level", "gpaw", "--set", "ecut_ev"], ["KEY=VALUE"]),
        (["ask", "out", "--level", "qe"], ["--pseudos DIR"]),
        (["ask", "out", "--level", "qe", "--pseudos", "none"], ["there is no folder none"]),
        (["ask", "out", "--level", "gpaw", "--campaign", "x"], ["no campaign 'x'", "there are first"]),
        (["ask", "out", "--level", "gpaw", "--home", "empty"], ["empty/store.sqlite"]),
        (["tell", "home"], ["there is no home/manifest.json", "gnome-lite ask"]),
        (["tell", "nowhere"], ["there is no nowhere/manifest.json"]),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert not (tmp_path / "out").exists()
