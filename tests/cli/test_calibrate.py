"""`benchmark calibrate` on strained rock salts: a file of spreads, the same again from what was kept, and bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Call
from pymatgen.core import Lattice, Structure

from gnome_lite.predict.level_errors import LevelErrors

N = 41
ELEMENTS = {"Na": -1.3, "Cl": -1.8}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labels of a table, and of a folder with WBM, whose errors are 5 and 50 meV/atom or so by CHGNet's energies."""
    rng = np.random.default_rng(0)
    entries = {e: {"energy": v, "composition": {e: 1.0}} for e, v in ELEMENTS.items()}
    (tmp_path / "mp_elemental_reference_entries.json").write_text(json.dumps(entries))
    rows = []
    for k, a in enumerate(np.linspace(2.80, 2.84, N).tolist()):
        label = -2.05 + 0.05 * rng.normal()
        row = {"material_id": f"wbm-1-{k}", "lattice": [[0, a, a], [a, 0, a], [a, a, 0]], "species": ["Na", "Cl"]}
        rows.append(row | {"frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]], "corrected_energy": -7.2})
        rows[-1]["corrected_formation_energy_per_atom"] = label
    (tmp_path / "wbm_part.json").write_text(json.dumps(rows))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["material_id", "cif", "formation_energy_per_atom"])
        for k, a in enumerate(np.linspace(5.60, 5.68, N).tolist()):
            cell = Lattice.cubic(a).matrix @ np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
            crystal = Structure(cell, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
            table.writerow([f"mp-{k}", crystal.to(fmt="cif"), -2.05 + 0.005 * rng.normal()])
    return tmp_path


def test_spreads_are_set_and_a_second_call_asks_nothing_again(call: Call, data: Path, home: Path) -> None:
    command = ("benchmark", "calibrate", "--labels", data / "labels.csv", "--new", data, "--level", "chgnet")
    said = call(*command, "--out", data / "errors.json")
    assert said.code == 0, said.err
    made = LevelErrors.read(data / "errors.json")
    assert made.level == "chgnet-0.3.0"
    assert made.seen.n == made.new.n == N
    assert made.seen.floor_ev_per_atom < 0.4 * made.new.floor_ev_per_atom
    assert "within one" in said.out
    (log,) = (home / "calibrate").iterdir()
    before = log.read_text()
    assert call(*command, "--out", data / "again.json").code == 0
    assert log.read_text() == before
    assert (data / "again.json").read_text() == (data / "errors.json").read_text()


def test_a_level_of_another_scale_is_refused(call: Call, data: Path) -> None:
    said = call("benchmark", "calibrate", "--labels", data / "labels.csv", "--new", data, "--level", "emt")
    assert said.code == 2
    assert "not on the Materials Project's corrected scale" in said.err
