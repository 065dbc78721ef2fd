"""Bonds and symmetry of known structure types."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.analysis.dimensionality import dimensionality
from gnome_lite.chemistry.space_groups import crystal_system, point_group
from gnome_lite.core.crystals import Crystal
from gnome_lite.sources.aflow import library
from gnome_lite.sources.molecules import dry_ice, ice_xi

TYPES = {
    ("AB_cF8_225_a_b", "NaCl"): 3,
    ("AB3C_cP5_221_a_c_b", "CaTiO3"): 3,
    ("A_hP4_194_bc", "C"): 2,
    ("AB2_hP6_194_c_f", "MoS2"): 2,
    ("A2B3_hR5_166_c_ac", "Bi2Te3"): 2,
    ("A_hP3_152_a", "Se"): 1,
    ("A_cP8_205_c", "N2"): 0,
}


@pytest.mark.parametrize(("type_", "expected"), TYPES.items())
def test_structure_types(type_: tuple[str, str], expected: int) -> None:
    aflow, formula = type_
    crystal = next(p.crystal for p in library() if p.aflow == aflow and p.crystal.reduced_formula == formula)
    assert dimensionality(crystal) == expected


@pytest.mark.parametrize("crystal", [dry_ice(), ice_xi()])
def test_molecules_are_not_bonded_to_each_other(crystal: Crystal) -> None:
    assert dimensionality(crystal) == 0


def test_the_choice_of_cell_does_not_matter() -> None:
    graphite = next(p.crystal for p in library() if p.aflow == "A_hP4_194_bc")
    doubled = Crystal.from_pymatgen(graphite.to_pymatgen().make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]]))
    moved = Crystal(doubled.numbers, doubled.frac_coords + np.array([0.3, 0.1, 0.2]), doubled.lattice)
    assert dimensionality(moved) == 2


def test_a_cell_without_volume_has_none() -> None:
    assert dimensionality(Crystal(np.array([11]), np.zeros((1, 3)), np.zeros((3, 3)))) is None


def test_point_groups_are_spglibs() -> None:
    import spglib

    theirs = {}
    for hall in range(1, 531):
        found = spglib.get_spacegroup_type(hall)
        theirs.setdefault(found.number, found.pointgroup_international)
    ours = {n: point_group(n) for n in range(1, 231)}
    # The same group with its axes named in another order.
    same = {"-4m2": "-42m", "-62m": "-6m2"}
    differ = {n: (ours[n], theirs[n]) for n in ours if same.get(ours[n], ours[n]) != same.get(theirs[n], theirs[n])}
    assert not differ
    assert crystal_system(194) == "hexagonal"
