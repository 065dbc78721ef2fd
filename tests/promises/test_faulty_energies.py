"""Promise 8: whatever a calculator says, nothing non-finite or unphysical is a success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones
from soak import counted

from gnome_lite.config import Symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.verify.relax import relax

Results = dict[str, Any]
SYMMETRIES: tuple[Symmetry, ...] = ("free", "kept", "broken")
STEPS = (0, 1, 2, 3, 5)
ELEMENTAL = {"Ar": 0.0}


def put(what: str, value: float) -> Callable[[Results, Atoms], None]:
    """All numbers of a result become one."""

    def fault(results: Results, atoms: Atoms) -> None:
        good = results[what]
        results[what] = value if np.isscalar(good) else np.full_like(good, value)

    return fault


def one(what: str, value: float) -> Callable[[Results, Atoms], None]:
    """One number of a result becomes another."""
    return lambda results, atoms: results[what].flat.__setitem__(0, value)


def zero_forces(energy: float) -> Callable[[Results, Atoms], None]:
    """It looks relaxed, at an energy that no crystal has."""
    return lambda results, atoms: results.update(energy=energy, forces=0 * results["forces"], stress=np.zeros(6))


def runaway(results: Results, atoms: Atoms) -> None:
    """The energy falls with the volume for ever."""
    results.update(energy=-0.05 * atoms.get_volume(), stress=np.array([-0.05] * 3 + [0.0] * 3))


def collapse(results: Results, atoms: Atoms) -> None:
    """Every atom is drawn to the first."""
    pull = atoms.positions[0] - atoms.positions
    results.update(energy=float((pull**2).sum()) / 2, forces=pull, stress=np.zeros(6))


FAULTS: dict[str, Callable[[Results, Atoms], None]] = {
    **{f"{what} {x}": put(what, x) for what in ("energy", "forces", "stress") for x in (np.nan, np.inf, -np.inf)},
    "a force NaN": one("forces", np.nan),
    "a stress inf": one("stress", np.inf),
    "energy 1e300": put("energy", 1e300),
    "energy -1e300": put("energy", -1e300),
    "hole": put("energy", -1000.0),
    "relaxed at NaN": zero_forces(np.nan),
    "relaxed at -1e4 eV": zero_forces(-1e4),
    "forces 1e200": put("forces", 1e200),
    "runaway": runaway,
    "collapse": collapse,
    "wrong shape": lambda results, atoms: results.update(forces=np.zeros((len(atoms) + 1, 3))),
}  # fmt: skip


class Faulty(LennardJones):
    """Argon that goes wrong at an evaluation and from then on."""

    def __init__(self, fault: Callable[[Results, Atoms], None], at: int) -> None:
        super().__init__(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
        self.fault, self.at, self.n = fault, at, 0

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        if self.n >= self.at:
            self.fault(self.results, atoms)
        self.n += 1


def argon() -> Crystal:
    atoms = bulk("Ar", cubic=True, a=5.5)
    atoms.rattle(0.05, seed=0)
    return Crystal.from_ase(atoms)


# Each fault in turn, so that few trials meet them all, in every symmetry and at every step before any comes again.
TRIALS = [
    (name, SYMMETRIES[(i + j) % len(SYMMETRIES)], STEPS[(i + j) % len(STEPS)])
    for j in range(len(SYMMETRIES) * len(STEPS))
    for i, name in enumerate(FAULTS)
]


def test_there_are_twenty_faults() -> None:
    assert len(FAULTS) == 20
    assert len(set(TRIALS)) == len(TRIALS)


@counted(20, len(TRIALS), "faults")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_fault_is_a_success(trials: range) -> None:
    """Promise 8: 20 faults of a calculator, from five steps on, in three ways to treat symmetry: none is a success."""
    for name, symmetry, at in TRIALS[trials.start : trials.stop]:
        calculator = Faulty(FAULTS[name], at)
        end = relax(argon(), calculator, 1e-4, 60, elemental_ev_per_atom=ELEMENTAL, symmetry=symmetry)
        told = (name, symmetry, at, end.detail)
        assert end.failure is not None, told
        assert np.isnan(end.energy_ev), told
        assert np.isfinite(end.crystal.frac_coords).all(), told
        assert np.isfinite(end.crystal.lattice).all(), told
