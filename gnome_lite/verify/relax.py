"""Relax atoms and cell of one crystal, watching every evaluation of the calculator."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from gnome_lite.crystals import MAX_Z, Crystal
from gnome_lite.records import Failure
from gnome_lite.verify import gates


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """The end of one relaxation; fields as in `records.Verification`."""

    crystal: Crystal
    energy_ev: float
    max_force_ev_per_ang: float
    n_steps: int
    converged: bool
    seconds: float
    failure: Failure | None = None
    detail: str = ""


class Refused(Exception):  # noqa: N818 - control flow inside this file, not an error
    """A gate closed during the relaxation."""

    def __init__(self, refusal: gates.Refusal) -> None:
        self.failure, self.detail = refusal
        super().__init__(self.detail)


class Watched(Calculator):
    """A calculator whose every evaluation passes the gates: geometry before, numbers after.

    No optimiser can hide a step from it, trial steps of a line search included.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, inner: Calculator, start_volume_ang3: float) -> None:
        super().__init__()
        self.inner = inner
        self.start_volume_ang3 = start_volume_ang3
        self.start_energy_ev: float | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None, "ASE sets it"
        if not (np.isfinite(self.atoms.positions).all() and np.isfinite(self.atoms.cell.array).all()):
            raise Refused((Failure.NON_FINITE, "the optimiser left the numbers"))
        self._pass(gates.bad_geometry(Crystal.from_ase(self.atoms), self.start_volume_ang3))
        energy = float(self.inner.get_property("energy", self.atoms))
        forces = np.asarray(self.inner.get_property("forces", self.atoms), dtype=np.float64)
        stress = np.asarray(self.inner.get_property("stress", self.atoms), dtype=np.float64)
        self._pass(gates.bad_numbers(energy, forces, stress))
        if self.start_energy_ev is None:
            self.start_energy_ev = energy
        self._pass(gates.bad_energy_change((energy - self.start_energy_ev) / len(self.atoms)))
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}

    @staticmethod
    def _pass(refusal: gates.Refusal | None) -> None:
        if refusal is not None:
            raise Refused(refusal)


def relax(
    crystal: Crystal,
    calculator: Calculator,
    fmax_ev_per_ang: float = 0.05,
    max_steps: int = 500,
    *,
    max_z: int = MAX_Z,
    elemental_ev_per_atom: Mapping[str, float] | None = None,
) -> Relaxed:
    """Relax atoms and cell until forces and, through the Frechet cell filter, stress are small.

    Args:
        fmax_ev_per_ang: largest generalised force at convergence: of each atom, eV/Å, and of the cell, the
            virial per atom, eV.
        max_steps: steps of the optimiser.
        max_z: highest atomic number that the calculator knows.
        elemental_ev_per_atom: references of the calculator's level, for the gate on the formation energy.

    Returns:
        Never raises for what one crystal does, except MemoryError: after it a process is not to be trusted.
    """
    started = time.perf_counter()
    last, n_steps, max_force = crystal, 0, np.nan

    def failed(failure: Failure, detail: str) -> Relaxed:
        seconds = time.perf_counter() - started
        return Relaxed(last, np.nan, float(max_force), n_steps, False, seconds, failure, detail)

    refusal = gates.bad_start(crystal, max_z)
    if refusal is not None:
        return failed(*refusal)
    atoms = crystal.to_ase()
    atoms.calc = Watched(calculator, crystal.volume)
    calculator.reset()
    converged = False
    try:
        optimizer = FIRE(FrechetCellFilter(atoms), logfile=None)
        for converged in optimizer.irun(fmax=fmax_ev_per_ang, steps=max_steps):
            last = Crystal.from_ase(atoms)
            n_steps = optimizer.nsteps
            max_force = np.linalg.norm(atoms.get_forces(), axis=1).max()
        energy = float(atoms.get_potential_energy())
    except Refused as refused:
        return failed(refused.failure, refused.detail)
    except NotImplementedError as error:
        return failed(Failure.OUT_OF_DOMAIN, str(error))
    except Exception as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        return failed(Failure.CRASHED, f"{type(error).__name__}: {error}")
    if not converged:
        return failed(Failure.UNCONVERGED, f"largest force {max_force:.3f} eV/Å after {n_steps} steps")
    refusal = gates.bad_formation_energy(last.counts, energy, elemental_ev_per_atom or {})
    if refusal is not None:
        return failed(*refusal)
    return Relaxed(last, energy, float(max_force), n_steps, True, time.perf_counter() - started)


def out_of_memory(error: Exception) -> bool:
    """Whether it says that memory ran out; torch says so by a RuntimeError."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error).lower()
