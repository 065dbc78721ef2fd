"""Relaxations that keep the symmetry of their start, and those that leave a symmetric saddle."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from gnome_lite.core.crystals import Crystal
from gnome_lite.verify.chgnet.calculator import CHGNetCalculator
from gnome_lite.verify.relax import relax
from gnome_lite.verify.space_group import operations_of, projector, symmetrised


def operations(crystal: Crystal, symprec: float = 1e-3) -> set[bytes]:
    """Rotations and translations (modulo lattice translations and rounding), by spglib."""
    found = spglib.get_symmetry((crystal.lattice, crystal.frac_coords, crystal.numbers), symprec)
    assert found is not None
    rounded = np.round(found["translations"] * 24).astype(int) % 24
    return {r.astype(int).tobytes() + t.tobytes() for r, t in zip(found["rotations"], rounded, strict=True)}


def square_copper() -> Crystal:
    """fcc sites of a tetragonal cell with Au in two of four: P4/mmm."""
    atoms = bulk("Cu", cubic=True, a=3.75)
    atoms.symbols[0] = atoms.symbols[1] = "Au"
    atoms.set_cell([4.1, 3.7, 3.7], scale_atoms=True)
    return Crystal.from_ase(atoms)


def cubic_perovskite() -> Crystal:
    """SrSiS3 as a substitution makes it: its octahedra are far too large for Si, and Pm-3m hides it."""
    sites = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Crystal.from_ase(Atoms("SrSiS3", scaled_positions=sites, cell=[4.63] * 3, pbc=True))


@pytest.mark.parametrize("noise_ang", [0.0, 1e-3])
def test_the_relaxed_crystal_has_every_symmetry_of_the_start(noise_ang: float) -> None:
    start = square_copper()
    rng = np.random.default_rng(0)
    noisy = Crystal(start.numbers, start.frac_coords + rng.normal(0, noise_ang / 4, (4, 3)), start.lattice)
    end = relax(noisy, EMT(), fmax_ev_per_ang=1e-3, symmetry="kept")
    assert end.converged
    assert len(operations(start)) == 32
    assert operations(end.crystal) >= operations(start)
    assert abs(end.crystal.lattice - start.lattice).max() > 0.1


def test_projector_is_one_and_keeps_what_is_symmetric() -> None:
    start = square_copper()
    found = operations_of(start)
    assert found is not None
    exact = symmetrised(start, found)
    np.testing.assert_allclose(exact.frac_coords, start.frac_coords, atol=1e-9)
    np.testing.assert_allclose(exact.lattice, start.lattice, atol=1e-9)
    p = projector(exact, found)
    np.testing.assert_allclose(p @ p, p, atol=1e-9)
    np.testing.assert_allclose(p, p.T, atol=1e-9)
    # Every atom sits on a special position; a tetragonal cell has two free strains.
    assert round(float(np.trace(p))) == 2


def test_a_symmetric_saddle_is_left_where_symmetry_is_broken() -> None:
    calculator = CHGNetCalculator()
    start = cubic_perovskite()
    kept, free = (relax(start, calculator, symmetry=symmetry) for symmetry in ("kept", "broken"))
    assert kept.converged
    assert free.converged
    assert operations(kept.crystal) >= operations(start)
    assert len(operations(start)) == 48
    assert free.energy_ev / 5 < kept.energy_ev / 5 - 0.1
