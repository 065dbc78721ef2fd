"""Ordering-suspects: orderings of elements that mix, and only those."""

from __future__ import annotations

import pytest

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.prototype_database import PrototypeDatabase


def suspect(crystal: Crystal, *known: Crystal) -> bool:
    database = PrototypeDatabase()
    names = [str(i) for i in range(len(known))]
    database.extend(names, CrystalBatch.from_crystals(known), [""] * len(known))
    return database.credibility(crystal, "").ordering_suspect


@pytest.mark.parametrize("pair", [("Zr", "Hf"), ("Nb", "Ta"), ("Mo", "W"), ("La", "Y"), ("Ce", "Gd")])
def test_ordering_of_twins_is_suspect(types, pair: tuple[str, str]) -> None:
    assert suspect(types.double_perovskite("Ba", *pair))


@pytest.mark.parametrize("pair", [("Fe", "Mo"), ("Mg", "W"), ("Y", "Nb"), ("Zr", "Ti")])
def test_ordering_of_different_cations_is_not(types, pair: tuple[str, str]) -> None:
    assert not suspect(types.double_perovskite("Sr", *pair), types.perovskite("Sr", "Fe"), types.perovskite("Sr", "Mo"))


def test_zirconium_hafnium_oxide_is_suspect(types) -> None:
    # Half of fluorite's cations replaced by their twin, plane by plane: ZrHfO4.
    fluorite = types.fluorite("Zr", "O", 5.1)
    numbers = fluorite.numbers.copy()
    numbers[(numbers == 40) & (abs(fluorite.frac_coords[:, 2] % 1 - 0.5) < 1e-6)] = 72
    ordered = Crystal(numbers, fluorite.frac_coords, fluorite.lattice)
    assert ordered.reduced_formula == "HfZrO4"
    assert suspect(ordered)
    assert suspect(ordered, fluorite)


def test_twins_on_sites_that_differ_anyway_are_not_suspect(types) -> None:
    assert not suspect(types.perovskite("La", "Y"))


def test_a_match_after_merging_is_suspect_and_a_known_crystal_is_not(types) -> None:
    ordered = types.perovskite("La", "Y")
    assert suspect(ordered, types.rock_salt(), types.perovskite("Ce", "Lu"))
    assert not suspect(ordered, types.rock_salt(), ordered)
    assert suspect(ordered, ordered, types.perovskite("Ce", "Lu"))


def test_crystals_without_twins_are_never_suspect(types) -> None:
    assert not suspect(types.rock_salt(), types.rock_salt("K"))
    assert not suspect(types.rock_salt("La", "N", 5.3), types.rock_salt("Ce", "N", 5.0))


def test_what_has_no_symmetry_is_not_suspect() -> None:
    import numpy as np

    heap = Crystal(np.array([57, 39, 8]), np.zeros((3, 3)), np.eye(3) * 4)
    flat = Crystal(np.array([57, 39]), np.zeros((2, 3)), np.diag([4.0, 4.0, 0.0]))
    assert not suspect(heap, flat)
    assert not suspect(flat, heap)
