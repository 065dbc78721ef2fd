"""Equality after scaling, and ordering-suspects."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from gnome_lite.crystals import Crystal, atomic_number
from gnome_lite.novelty.novelty import CrystalNovelty

NOVELTY = CrystalNovelty()


@lru_cache
def cubic(group: str, a: float, symbols: tuple[str, ...], sites: tuple[tuple[float, float, float], ...]) -> Crystal:
    crystal, orbit = template(group, sites)
    return Crystal.make(np.array([atomic_number(s) for s in symbols])[orbit], crystal.frac_coords, np.eye(3) * a)


@lru_cache
def template(group: str, sites: tuple[tuple[float, float, float], ...]) -> tuple[Crystal, np.ndarray]:
    """pymatgen takes a second for each crystal of a cubic group: made once, then given its elements."""
    names = ["H", "He", "Li", "Be"][: len(sites)]
    crystal = Crystal.from_pymatgen(Structure.from_spacegroup(group, Lattice.cubic(1.0), names, list(sites), tol=1e-4))
    return crystal, crystal.numbers - 1


def rock_salt(cation: str = "Na", anion: str = "Cl", a: float = 5.64) -> Crystal:
    return cubic("Fm-3m", a, (cation, anion), ((0, 0, 0), (0.5, 0.5, 0.5)))


def elpasolite(b1: str, b2: str) -> Crystal:
    """Ba2 B1 B2 O6: a perovskite whose two B cations order as in rock salt."""
    sites = ((0.25, 0.25, 0.25), (0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0, 0))
    return cubic("Fm-3m", 8.4, ("Ba", b1, b2, "O"), sites)


def perovskite(a: str, b: str) -> Crystal:
    return cubic("Pm-3m", 4.2, (a, b, "O"), ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)))


def test_same_after_scaling_rotation_and_shift() -> None:
    crystal = rock_salt()
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    other = Crystal.make(crystal.numbers, crystal.frac_coords + 0.3, crystal.lattice @ rotation * 1.1)
    primitive = Crystal.from_pymatgen(crystal.to_pymatgen().get_primitive_structure())
    assert NOVELTY.same(crystal, other)
    assert NOVELTY.same(primitive, crystal)
    assert NOVELTY.same(crystal, primitive)


def test_other_structure_or_formula_is_not_the_same() -> None:
    blende = cubic("F-43m", 6.1, ("Na", "Cl"), ((0, 0, 0), (0.25, 0.25, 0.25)))
    assert not NOVELTY.same(rock_salt(), blende)
    assert not NOVELTY.same(rock_salt(), rock_salt("K"))


@pytest.mark.parametrize("pair", [("Zr", "Hf"), ("Nb", "Ta"), ("Mo", "W"), ("La", "Y"), ("Ce", "Gd")])
def test_ordering_of_twins_is_suspect(pair: tuple[str, str]) -> None:
    assert NOVELTY.ordering_suspect(elpasolite(*pair), [])


@pytest.mark.parametrize("pair", [("Mg", "W"), ("Y", "Nb"), ("Zr", "Ti")])
def test_ordering_of_different_cations_is_not(pair: tuple[str, str]) -> None:
    assert not NOVELTY.ordering_suspect(elpasolite(*pair), [])


def test_twins_on_sites_that_differ_anyway_are_not_suspect() -> None:
    assert not NOVELTY.ordering_suspect(perovskite("La", "Y"), [])


def test_a_match_after_merging_is_suspect_and_a_known_crystal_is_not() -> None:
    ordered = perovskite("La", "Y")
    assert NOVELTY.ordering_suspect(ordered, [rock_salt(), perovskite("Ce", "Lu")])
    assert not NOVELTY.ordering_suspect(ordered, [rock_salt(), ordered])


def test_crystals_without_twins_are_never_suspect() -> None:
    assert not NOVELTY.ordering_suspect(rock_salt(), [rock_salt("K")])
    assert not NOVELTY.ordering_suspect(rock_salt("La", "N", 5.3), [rock_salt("Ce", "N", 5.0)])
