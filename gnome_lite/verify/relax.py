"""Relaxation of atoms and cell of one crystal, with sanity checks around every evaluation of the calculator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from gnome_lite.config import Symmetry
from gnome_lite.core.crystals import MAX_Z, Crystal
from gnome_lite.core.levels import Corrections
from gnome_lite.core.records import Failure
from gnome_lite.verify import sanity
from gnome_lite.verify.calculators import out_of_memory
from gnome_lite.verify.corrections import UncorrectableError, corrected_mp2020
from gnome_lite.verify.optimize import Step, quasi_newton
from gnome_lite.verify.trajectories import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """The outcome of one relaxation; fields as in `records.Verification`, and every accepted evaluation, if wanted."""

    crystal: Crystal
    energy_ev: float
    max_force_ev_per_ang: float
    n_steps: int
    converged: bool
    seconds: float
    failure: Failure | None = None
    detail: str = ""
    frames: tuple[Frame, ...] = ()


class Refused(Exception):  # noqa: N818 - control flow inside this file, not an error
    """A check failed during the relaxation."""

    def __init__(self, refusal: sanity.Refusal) -> None:
        self.failure, self.detail = refusal
        super().__init__(self.detail)


class Watched:
    """A calculator whose every evaluation is checked: geometry before, numbers after."""

    def __init__(self, calculator: Calculator, start: Crystal) -> None:
        self.calculator = calculator
        self.start_volume_ang3 = start.volume
        self.start_energy_ev: float | None = None
        self.frames: list[Frame] = []
        calculator.reset()  # nothing of the crystal before may reach this one
        if (begin := getattr(calculator, "begin", None)) is not None:
            begin()

    def __call__(self, crystal: Crystal) -> Frame:
        _pass(sanity.bad_geometry(crystal, self.start_volume_ang3))
        at = Frame(crystal, *self._evaluate(crystal))
        _pass(sanity.bad_numbers(at.energy_ev, at.forces, at.stress, len(crystal)))
        if self.start_energy_ev is None:
            self.start_energy_ev = at.energy_ev
        _pass(sanity.bad_energy_change((at.energy_ev - self.start_energy_ev) / len(crystal)))
        self.frames.append(at)
        return at

    def _evaluate(self, crystal: Crystal) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return energy, forces and stress."""
        if (evaluate := getattr(self.calculator, "evaluate", None)) is not None:  # ours, without ASE's bookkeeping
            energy, forces, stress = evaluate(crystal.numbers, crystal.frac_coords, crystal.lattice)
            return energy, forces, stress
        atoms = crystal.to_ase()
        atoms.calc = self.calculator
        energy = float(atoms.get_potential_energy())
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        return energy, np.asarray(forces, dtype=np.float64), np.asarray(stress, dtype=np.float64)


def _pass(refusal: sanity.Refusal | None) -> None:
    if refusal is not None:
        raise Refused(refusal)


def _steps(
    crystal: Crystal,
    watched: Watched,
    cheap: Calculator | None,
    fmax_ev_per_ang: float,
    max_steps: int,
    symmetry: Symmetry,
) -> Iterator[Step]:
    """Yield the steps of the calculator itself, after a cheap one has gone first where there is one that can."""
    ahead = None if cheap is None or max_steps == 0 else Watched(cheap, crystal)
    try:
        yield from quasi_newton(crystal, watched, fmax_ev_per_ang, max_steps, symmetry=symmetry, cheap=ahead)
    except (Refused, ValueError, RuntimeError, NotImplementedError) as error:
        if ahead is None or watched.start_energy_ev is not None or out_of_memory(error):
            raise
        yield from quasi_newton(crystal, watched, fmax_ev_per_ang, max_steps, symmetry=symmetry)


def relax(
    crystal: Crystal,
    calculator: Calculator,
    fmax_ev_per_ang: float = 0.05,
    max_steps: int = 500,
    *,
    max_z: int = MAX_Z,
    elemental_ev_per_atom: Mapping[str, float] | None = None,
    keep_frames: bool = False,
    symmetry: Symmetry = "free",
    corrections: str = Corrections.NONE,
    cheap: Calculator | None = None,
) -> Relaxed:
    """Relax atoms and cell until forces and stress are small (see `optimize.quasi_newton`).

    Args:
        crystal: crystal to relax.
        calculator: ASE calculator with energy, forces and stress.
        fmax_ev_per_ang: largest force on an atom, eV/Å, and virial per atom, eV, at convergence.
        max_steps: 0 for a single point, which need not be converged.
        max_z: highest atomic number that the calculator knows.
        elemental_ev_per_atom: references of the calculator's level, for the check of the formation energy.
        keep_frames: return every accepted evaluation.
        symmetry: see `optimize.quasi_newton`.
        corrections: what is added to the energy of the relaxed crystal, see `core.levels`.
        cheap: a calculator of nearly the same surface, which goes first (see `optimize.quasi_newton`); where it
            fails, the relaxation is done without it.

    Returns:
        The relaxed crystal, or why there is none: the failure of one crystal is never raised.

    Raises:
        MemoryError: memory ran out; this process is not to be trusted any longer.
    """
    started = time.perf_counter()
    last = Step(crystal, np.nan, np.nan, 0, False)
    energy_ev = np.nan
    watched = Watched(calculator, crystal)

    def end(refusal: sanity.Refusal | None) -> Relaxed:
        failure, detail = refusal or (None, "")
        seconds = time.perf_counter() - started
        return Relaxed(
            last.crystal,
            energy_ev if failure is None else np.nan,
            last.max_force_ev_per_ang,
            last.n_steps,
            last.converged,
            seconds,
            failure,
            detail,
            tuple(watched.frames) if keep_frames else (),
        )

    try:
        _pass(sanity.bad_start(crystal, max_z))
        for step in _steps(crystal, watched, cheap, fmax_ev_per_ang, max_steps, symmetry):
            last = step
        if not last.converged and max_steps > 0:
            raise Refused((Failure.UNCONVERGED, f"forces or stress still too large after {last.n_steps} steps"))
        energy_ev = last.energy_ev
        if corrections == Corrections.MP2020:
            energy_ev = corrected_mp2020(last.crystal, energy_ev)
        _pass(sanity.bad_formation_energy(last.crystal.counts, energy_ev, elemental_ev_per_atom or {}))
    except Refused as refused:
        return end((refused.failure, refused.detail))
    except (NotImplementedError, UncorrectableError) as error:
        return end((Failure.OUT_OF_DOMAIN, str(error)))
    except Exception as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        return end((Failure.CRASHED, f"{type(error).__name__}: {error}"))
    return end(None)
