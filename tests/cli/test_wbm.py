"""`benchmark wbm`: CHGNet on crystals with made-up DFT energies, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.conftest import Call

ELEMENTS = {"Na": -1.3, "Cl": -1.8}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "wbm"
    folder.mkdir()
    entries = {e: {"energy": v, "composition": {e: 1.0}} for e, v in ELEMENTS.items()}
    (folder / "mp_elemental_reference_entries.json").write_text(json.dumps(entries))
    rows = [
        {
            "material_id": f"wbm-1-{k}", "lattice": [[0, a, a], [a, 0, a], [a, a, 0]], "species": ["Na", "Cl"],
            "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]], "corrected_energy": -7.2,
            "corrected_formation_energy_per_atom": -2.05,
        }
        for k, a in enumerate((2.84, 2.9))
    ]  # fmt: skip
    (folder / "wbm_part.json").write_text(json.dumps(rows))
    (folder / "wbm-summary.csv").write_text("material_id,e_above_hull_mp2020_corrected_ppd_mp\nwbm-1-0,-0.3\n")
    return folder


def test_a_level_is_judged_and_a_second_call_asks_nothing_again(call: Call, data: Path, home: Path) -> None:
    said = call("benchmark", "wbm", "--data", data, "--json")
    assert said.code == 0, said.err
    figures = json.loads(said.out)
    assert (figures["judged"], figures["n"], figures["missing"]) == ("chgnet-0.3.0-single-point", 2, 0)
    assert figures["mae_ev_per_atom"] < 0.3, "CHGNet's energy of NaCl is near the Materials Project's"
    assert figures["discovery"]["n"] == 1
    (log,) = (home / "wbm").iterdir()
    before = log.read_text()
    again = call("benchmark", "wbm", "--data", data)
    assert log.read_text() == before
    for words in ("MAE: ", "R2: ", "f1: ", "daf: ", "2 crystals of WBM, 0 without a prediction"):
        assert words in again.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level", "emt"], "energies of emt are not on the Materials Project's corrected scale"),
        (["--level", "chgnet-r2scan"], "not on the Materials Project's corrected scale"),
        (["--ensemble", "x", "--relax"], "--ensemble stands in place of a level"),
        (["--data", "nowhere"], "holds no wbm*.json*"),
    ],
)
def test_what_cannot_be_judged_is_one_line(call: Call, data: Path, options: list[str], words: str) -> None:
    said = call("benchmark", "wbm", "--data", data, *options)
    assert said.code == 2
    assert words in said.err
    assert len(said.err.splitlines()) == 1
