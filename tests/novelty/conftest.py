"""Crystals that the tests of this room share, and pymatgen's decisions on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE, SITE_TOLERANCE

Sites = tuple[tuple[float, float, float], ...]


@lru_cache
def template(group: str, sites: Sites) -> tuple[Crystal, np.ndarray]:
    """pymatgen takes a second for each crystal of a cubic group: made once, then given its elements."""
    names = ["H", "He", "Li", "Be"][: len(sites)]
    crystal = Crystal.from_pymatgen(from_spacegroup(group, Lattice.cubic(1.0), names, list(sites), tol=1e-4))
    return crystal, crystal.numbers - 1


class Types:
    """Structure types with any elements."""

    @staticmethod
    def cubic(group: str, a: float, symbols: tuple[str, ...], sites: Sites) -> Crystal:
        crystal, orbit = template(group, sites)
        return Crystal.make(np.array([atomic_number(s) for s in symbols])[orbit], crystal.frac_coords, np.eye(3) * a)

    def rock_salt(self, cation: str = "Na", anion: str = "Cl", a: float = 5.64) -> Crystal:
        return self.cubic("Fm-3m", a, (cation, anion), ((0, 0, 0), (0.5, 0.5, 0.5)))

    def zinc_blende(self, cation: str = "Na", anion: str = "Cl", a: float = 6.1) -> Crystal:
        return self.cubic("F-43m", a, (cation, anion), ((0, 0, 0), (0.25, 0.25, 0.25)))

    def fluorite(self, cation: str = "Ca", anion: str = "F", a: float = 5.46) -> Crystal:
        return self.cubic("Fm-3m", a, (cation, anion), ((0, 0, 0), (0.25, 0.25, 0.25)))

    def perovskite(self, a: str, b: str, x: str = "O") -> Crystal:
        return self.cubic("Pm-3m", 4.2, (a, b, x), ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)))

    def double_perovskite(self, a: str, b1: str, b2: str) -> Crystal:
        """A2 B1 B2 O6: a perovskite whose two B cations order as in rock salt."""
        return self.cubic(
            "Fm-3m", 8.4, (a, b1, b2, "O"), ((0.25, 0.25, 0.25), (0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0, 0))
        )


@pytest.fixture(scope="session")
def types() -> Types:
    return Types()


def other_description(crystal: Crystal, rng: np.random.Generator, volume: bool = True) -> Crystal:
    """The same crystal in another cell (of 1 or 2 times the atoms), origin, orientation, order and volume."""
    while abs(round(np.linalg.det(matrix := rng.integers(-1, 2, (3, 3))))) != 1:
        pass
    matrix = matrix @ np.diag(rng.permutation([1, 1, int(rng.integers(1, 3))]))
    copy = crystal.to_pymatgen().make_supercell(matrix, in_place=False)
    order = rng.permutation(len(copy))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    scale = rng.uniform(0.8, 1.2) if volume else 1.0
    return Crystal.make(
        np.array(copy.atomic_numbers)[order],
        (copy.frac_coords + rng.uniform(size=3))[order],
        copy.lattice.matrix @ rotation * scale,
    )


def distorted(crystal: Crystal, rng: np.random.Generator, rattle_ang: float, strain: float) -> Crystal:
    """Another description, each atom moved by up to `rattle_ang` along each axis, the cell strained by `strain`."""
    copy = other_description(crystal, rng)
    tensor = rng.normal(size=(3, 3))
    tensor = tensor + tensor.T
    lattice = copy.lattice @ (np.eye(3) + strain * tensor / np.abs(np.linalg.eigvalsh(tensor)).max())
    noise = rng.uniform(-rattle_ang, rattle_ang, (len(copy), 3)) @ np.linalg.inv(lattice)
    return Crystal.make(copy.numbers, copy.frac_coords + noise, lattice)


def pymatgen_groups(crystals: CrystalBatch) -> np.ndarray:
    """Leader of each crystal's group by `StructureMatcher.group_structures`, [n]."""
    from pymatgen.core.structure_matcher import StructureMatcher

    structures = [c.to_pymatgen() for c in crystals]
    index = {id(s): i for i, s in enumerate(structures)}
    leader = np.full(len(structures), -1)
    for group in StructureMatcher(
        LENGTH_TOLERANCE, SITE_TOLERANCE, ANGLE_TOLERANCE_DEG, primitive_cell=True, scale=True
    ).group_structures(structures):
        for s in group:
            leader[index[id(s)]] = index[id(group[0])]
    return leader


@pytest.fixture(scope="session")
def helpers() -> dict[str, Callable]:
    return {"other": other_description, "distorted": distorted, "pymatgen_groups": pymatgen_groups}


@pytest.fixture(scope="session")
def seed_crystals() -> CrystalBatch:
    from gnome_lite.assemble import load_references

    return load_references().crystals
