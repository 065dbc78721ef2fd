"""The fused convolution against the package's own: energies, forces and stresses of the shipped potentials."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from sevenn.calculator import SevenNetCalculator

from gnome_lite.verify.calculators import in_full, make_calculator
from gnome_lite.verify.factories import PACKAGES
from gnome_lite.verify.sevennet_convolution import fuse, padded

SAME_EV_PER_ATOM, SAME_EV_PER_ANG, SAME_EV_PER_ANG3 = 1e-5, 1e-4, 1e-5


def crystals() -> list[Atoms]:
    """One with many kinds of sites, one of one atom, one whose atoms have different numbers of neighbours."""
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    salt.rattle(0.1, seed=1)
    sparse = Atoms("OMgTi", positions=[[0, 0, 0], [1.9, 0.2, 0], [2.1, 3.8, 0.3]], cell=[7.0, 8.0, 9.0], pbc=True)
    return [salt, bulk("Cu"), sparse]


@pytest.mark.parametrize("name", ["7net-0", pytest.param("7net-l3i5", marks=pytest.mark.slow)])
def test_numbers_are_the_packages(name: str) -> None:
    """The smaller one in a child process, as campaigns have it."""
    stock = SevenNetCalculator(name)
    package, kwargs = in_full(name)
    ours = make_calculator(name) if name == "7net-0" else PACKAGES[package].make(**kwargs)[0]
    for crystal in crystals():
        found = []
        for calculator in (ours, stock):
            atoms = crystal.copy()
            atoms.calc = calculator
            found.append((atoms.get_potential_energy() / len(atoms), atoms.get_forces(), atoms.get_stress()))
        for mine, theirs, limit in zip(*found, (SAME_EV_PER_ATOM, SAME_EV_PER_ANG, SAME_EV_PER_ANG3), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=limit)
    assert fuse(stock.model) > 0
    assert fuse(stock.model) == 0, "all convolutions are replaced"


def test_edges_are_padded_to_the_most_of_an_atom() -> None:
    edges = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 2]])
    edge, begin, real, most = padded(edges, 3, torch.float32)
    assert most == 3
    assert edge[real[:, 0] == 1].tolist() == [1, 0, 2, 3]
    assert begin[real[:, 0] == 1].tolist() == [1, 0, 1, 2]
    assert real.view(3, 3).sum(1).tolist() == [1, 3, 0]
