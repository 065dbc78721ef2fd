"""Shortest distances against vesin's neighbour list, and invariance under every change of description."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st
from vesin import NeighborList

from gnome_lite.chemistry.distances import min_distance_ratios
from gnome_lite.core.crystals import Crystal, CrystalBatch

ROUNDING = 1e-9


def random_crystal(seed: int, skew: float = 3.0) -> Crystal:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    lattice = np.diag(rng.uniform(1.0, 6.0, 3)) + np.tril(rng.normal(scale=skew, size=(3, 3)), -1)
    return Crystal.make(rng.integers(1, 95, n), rng.uniform(-2, 2, (n, 3)), lattice)


def reference(crystal: Crystal, below: float) -> float:
    i, j, d = NeighborList(cutoff=6.0, full_list=True).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijd"
    )
    radii = covalent_radii[crystal.numbers]
    smallest = (d / (radii[i] + radii[j])).min(initial=np.inf)
    return float(smallest) if smallest < below else np.inf


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.sampled_from([0.3, 0.6, 1.0]))
def test_equals_a_neighbour_list_in_skewed_cells(seeds: list[int], below: float) -> None:
    crystals = [random_crystal(s) for s in seeds]
    found = min_distance_ratios(CrystalBatch.from_crystals(crystals), below)
    assert found == pytest.approx([reference(c, below) for c in crystals], abs=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_is_a_property_of_the_crystal_not_of_its_description(seed: int) -> None:
    crystal, rng = random_crystal(seed), np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(crystal))
    shear = np.array([[1, 0, 0], [rng.integers(-3, 4), 1, 0], [0, rng.integers(-3, 4), 1]])
    moved = crystal.frac_coords + rng.uniform(size=3)
    copies = np.concatenate([crystal.frac_coords, crystal.frac_coords + np.array([0, 1, 0])]) / [1, 2, 1]
    others = [
        Crystal.make(crystal.numbers, crystal.frac_coords, crystal.lattice @ rotation),
        Crystal.make(crystal.numbers, moved, crystal.lattice),
        Crystal.make(crystal.numbers[order], crystal.frac_coords[order], crystal.lattice),
        Crystal.make(crystal.numbers, crystal.frac_coords @ np.linalg.inv(shear), shear @ crystal.lattice),
        Crystal.make(np.tile(crystal.numbers, 2), copies, crystal.lattice * np.array([[1], [2], [1]])),
    ]
    found = min_distance_ratios(CrystalBatch.from_crystals([crystal, *others]), 0.8)
    assert found[1:] == pytest.approx([found[0]] * 5, abs=ROUNDING)


def test_an_atom_is_near_its_own_image() -> None:
    thin = Crystal.make([26], [[0, 0, 0]], np.diag([1.0, 8.0, 8.0]))
    assert min_distance_ratios(CrystalBatch.from_crystals([thin]), 0.6) == pytest.approx(1.0 / 2.64)


def test_no_crystals() -> None:
    assert min_distance_ratios(CrystalBatch.empty(), 0.6).shape == (0,)
