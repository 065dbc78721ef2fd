from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gnome_lite.core.crystals import Crystal
from gnome_lite.verify.optimize import Step, Unknowns, quasi_newton
from gnome_lite.verify.trajectories import Frame

GRADIENT_TOL = 1e-5
ENERGY_TOL_EV_PER_ATOM = 1e-5


def emt(crystal: Crystal) -> Frame:
    atoms = crystal.to_ase()
    atoms.calc = EMT()
    return Frame(crystal, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False))


def alloy(seed: int, strain: float = 0.04) -> Crystal:
    """Rattled and strained AuCu3 with a vacancy's worth of disorder: no symmetry left."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Au"
    atoms.rattle(0.1, rng=rng)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, strain, (3, 3))), scale_atoms=True)
    return Crystal.from_ase(atoms)


def last(crystal: Crystal, fmax: float, max_steps: int = 200) -> Step:
    *_, end = quasi_newton(crystal, emt, fmax, max_steps)
    return end


def test_gradient_is_that_of_the_energy() -> None:
    unknowns = Unknowns(alloy(0))
    x = np.random.default_rng(1).normal(0, 0.03, 3 * 4 + 6)

    def energy(x: NDArray[np.float64]) -> float:
        return emt(unknowns.crystal(x)).energy_ev

    numerical = [(energy(x + h) - energy(x - h)) / 2e-4 for h in 1e-4 * np.eye(len(x))]
    np.testing.assert_allclose(unknowns.gradient(x, emt(unknowns.crystal(x))), numerical, rtol=1e-4, atol=GRADIENT_TOL)


def test_ends_where_ase_ends() -> None:
    start = alloy(0)
    atoms = start.to_ase()
    atoms.calc = EMT()
    assert FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-3, steps=1000)
    ours = last(start, 1e-3)
    assert ours.converged
    assert ours.energy_ev / 4 == pytest.approx(atoms.get_potential_energy() / 4, abs=ENERGY_TOL_EV_PER_ATOM)
    assert ours.crystal.volume == pytest.approx(atoms.get_volume(), rel=1e-3)


def test_needs_fewer_evaluations_than_a_third_of_fire() -> None:
    ours = theirs = 0
    for seed in range(2):
        start = alloy(seed)
        atoms = start.to_ase()
        atoms.calc = EMT()
        optimizer = FIRE(FrechetCellFilter(atoms), logfile=None)
        optimizer.run(fmax=0.05, steps=500)
        theirs += optimizer.nsteps
        ours += last(start, 0.05).n_steps
    assert ours < theirs / 3


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rotation_permutation_and_translation_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = alloy(5)
    order = rng.permutation(len(start))
    moved = Crystal.make(
        start.numbers[order],
        start.frac_coords[order] + rng.uniform(-2, 2, 3),
        start.lattice @ Rotation.random(random_state=seed).as_matrix(),
    )
    a, b = last(start, 0.02), last(moved, 0.02)
    assert a.energy_ev == pytest.approx(b.energy_ev, abs=4 * ENERGY_TOL_EV_PER_ATOM)
    assert a.n_steps == b.n_steps


def test_every_reported_step_is_one_that_was_evaluated_and_energies_fall() -> None:
    steps = list(quasi_newton(alloy(7), emt, 0.01, 100))
    energies = np.array([s.energy_ev for s in steps])
    assert energies[-1] < energies[0]
    assert (np.diff(energies) < 4 * 0.05).all()
    for step in (steps[0], steps[-1]):
        assert emt(step.crystal).energy_ev == pytest.approx(step.energy_ev, abs=1e-9)
    assert [s.n_steps for s in steps] == list(range(len(steps)))


def test_converged_means_forces_and_virial_are_small() -> None:
    end = last(alloy(9), 0.03)
    at = emt(end.crystal)
    assert np.linalg.norm(at.forces, axis=1).max() <= 0.03
    assert np.linalg.norm(end.crystal.volume * at.stress / 4, axis=1).max() <= 0.03
    assert end.max_force_ev_per_ang == pytest.approx(np.linalg.norm(at.forces, axis=1).max(), abs=1e-9)


def test_out_of_steps_is_not_converged() -> None:
    end = last(alloy(9), 1e-6, max_steps=2)
    assert not end.converged
    assert end.n_steps == 2


def shrunk(crystal: Crystal) -> Frame:
    """EMT of a cell that is 1.5 % longer: nearly the same surface, with bonds that much shorter."""
    factor = 1.015
    at = emt(Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * factor))
    return Frame(crystal, at.energy_ev + 3.0, at.forces * factor, at.stress * factor**3)


def test_a_cheap_surface_goes_first_and_the_dear_one_ends_where_it_would_alone() -> None:
    steps = np.zeros(2)
    for seed in range(4):
        alone = last(alloy(seed, 0.08), 0.01)
        *_, end = quasi_newton(alloy(seed, 0.08), emt, 0.01, 200, cheap=shrunk)
        assert end.converged
        assert end.energy_ev / 4 == pytest.approx(alone.energy_ev / 4, abs=2e-4)
        steps += end.n_steps, alone.n_steps
    assert steps[0] < 0.6 * steps[1], steps
