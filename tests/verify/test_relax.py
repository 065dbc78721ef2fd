from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from samples.beginning import Beginning

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Failure
from gnome_lite.verify.relax import relax

spec = importlib.util.spec_from_file_location("faulty", Path(__file__).with_name("faulty.py"))
assert spec is not None
assert spec.loader is not None
faulty = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faulty)


def argon(scale: float = 1.03) -> Crystal:
    atoms = bulk("Ar", cubic=True, a=5.26 * scale)
    atoms.rattle(0.05, seed=0)
    return Crystal.from_ase(atoms)


def test_relaxes_copper_to_its_emt_lattice_constant() -> None:
    end = relax(Crystal.from_ase(bulk("Cu", a=3.75)), EMT(), fmax_ev_per_ang=1e-3)
    assert end.failure is None
    assert end.converged
    assert (4 * end.crystal.volume) ** (1 / 3) == pytest.approx(3.59, abs=0.01)


def test_the_crystal_before_leaves_no_trace() -> None:
    calculator = EMT()
    first = relax(Crystal.from_ase(bulk("Cu", a=3.75)), calculator)
    relax(Crystal.from_ase(bulk("Au", cubic=True)), calculator)
    again = relax(Crystal.from_ase(bulk("Cu", a=3.75)), calculator)
    assert first.energy_ev == again.energy_ev
    assert (first.crystal.lattice == again.crystal.lattice).all()


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["energy", "forces", "stress"])
def test_nothing_non_finite_is_ever_a_result(what: str, value: float, at: int) -> None:
    end = relax(argon(), faulty.Broken(what, value, at), fmax_ev_per_ang=1e-4)
    assert end.failure is Failure.NON_FINITE
    assert what in end.detail
    assert np.isnan(end.energy_ev)
    assert not end.converged
    assert np.isfinite(end.crystal.frac_coords).all()


def test_a_hole_in_the_potential_is_not_a_bound_crystal() -> None:
    end = relax(argon(), faulty.Broken("energy", -1000.0, 2), fmax_ev_per_ang=1e-4)
    assert end.failure is Failure.EXPLODED
    assert "eV/atom" in end.detail


def test_an_attraction_without_end_stops_at_the_overlap() -> None:
    # Its minimum, at about 2.2 Å, lies far inside two caesium atoms.
    atoms = bulk("Cs", "bcc", a=3.8)
    end = relax(Crystal.from_ase(atoms), LennardJones(sigma=2.0, epsilon=1.0, rc=8.0, smooth=True))
    assert end.failure is Failure.OVERLAP
    assert end.detail.startswith("Cs-Cs are")


def test_a_runaway_cell_is_stopped() -> None:
    atoms = bulk("Ar", cubic=True, a=4.4)
    end = relax(Crystal.from_ase(atoms), LennardJones(sigma=8.0, epsilon=1e-3, rc=16.0, smooth=True))
    assert end.failure is Failure.EXPLODED


def test_elements_the_calculator_does_not_know_are_out_of_its_domain() -> None:
    assert relax(Crystal.from_ase(bulk("Fe")), EMT()).failure is Failure.OUT_OF_DOMAIN
    assert relax(Crystal.from_ase(bulk("Au")), EMT(), max_z=78).failure is Failure.OUT_OF_DOMAIN


def test_an_error_of_the_calculator_is_data_with_its_words() -> None:
    class Failing(EMT):
        def calculate(self, *_: object) -> None:
            raise ValueError("SCF did not converge")

    end = relax(Crystal.from_ase(bulk("Cu")), Failing())
    assert (end.failure, end.detail) == (Failure.CRASHED, "ValueError: SCF did not converge")


def test_memory_running_out_is_raised_for_the_process_must_end() -> None:
    class Greedy(EMT):
        def calculate(self, *_: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    with pytest.raises(MemoryError):
        relax(Crystal.from_ase(bulk("Cu")), Greedy())


def test_out_of_steps_and_out_of_bounds() -> None:
    assert relax(argon(), faulty.trap(), fmax_ev_per_ang=1e-6, max_steps=1).failure is Failure.UNCONVERGED
    references = {"Ar": 20.0}
    assert relax(argon(), faulty.trap(), elemental_ev_per_atom=references).failure is Failure.OUT_OF_DOMAIN


def test_a_cheap_calculator_goes_first_and_costs_nothing_where_it_fails() -> None:
    start = argon()
    alone = relax(start, LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), fmax_ev_per_ang=1e-4)
    cheap = LennardJones(sigma=3.38, epsilon=0.011, rc=8.0)
    end = relax(start, LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), fmax_ev_per_ang=1e-4, cheap=cheap)
    assert (end.failure, end.converged) == (None, True)
    assert end.energy_ev == pytest.approx(alone.energy_ev, abs=1e-4)
    assert end.n_steps < alone.n_steps
    broken = faulty.Broken("forces", np.nan, 1)
    after = relax(start, LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), fmax_ev_per_ang=1e-4, cheap=broken)
    assert (after.energy_ev, after.n_steps) == (alone.energy_ev, alone.n_steps)
    unknown = relax(start, LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0), fmax_ev_per_ang=1e-4, cheap=EMT())
    assert unknown.energy_ev == alone.energy_ev, "EMT knows no argon"


def test_what_the_dear_calculator_says_of_a_cheap_end_is_not_hidden() -> None:
    cheap = LennardJones(sigma=3.38, epsilon=0.011, rc=8.0)
    end = relax(argon(), faulty.Broken("energy", np.nan, 0), fmax_ev_per_ang=1e-4, cheap=cheap)
    assert end.failure is Failure.NON_FINITE


def test_a_calculator_is_told_once_that_a_relaxation_begins() -> None:
    """GPAW keeps its k-points for the length of a relaxation; ASE resets a calculator at every change."""
    calculator = Beginning()
    ends = [relax(argon(scale), calculator, fmax_ev_per_ang=1e-4) for scale in (0.9, 1.0)]
    assert [(end.failure, end.energy_ev) for end in ends] == [(None, 1.0), (None, 2.0)]
    assert all(end.n_steps > 1 for end in ends)
