"""One crystal as text: ASE reads the extended XYZ frame back, facts and all."""

from __future__ import annotations

import io
import json

import numpy as np
from ase.io import read

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.formats import extxyz_frame, json_line

CRYSTAL = Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], [[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]])


def test_ase_reads_the_frame() -> None:
    text = extxyz_frame(CRYSTAL, {"name": 'a "b" c', "n": 3, "x": 0.25, "good": True})
    atoms = read(io.StringIO(text), format="extxyz")
    assert atoms.get_chemical_symbols() == ["Na", "Cl"]
    assert np.allclose(atoms.cell.array, CRYSTAL.lattice)
    assert np.allclose(atoms.get_scaled_positions(), CRYSTAL.frac_coords)
    assert (atoms.info["n"], atoms.info["x"], atoms.info["good"]) == (3, 0.25, True)
    assert atoms.info["name"] == 'a "b" c'


def test_a_line_of_json() -> None:
    row = json.loads(json_line(CRYSTAL, {"n": 1}))
    assert row["n"] == 1
    assert Crystal.make(**row["crystal"]).content_id == CRYSTAL.content_id
