"""A quasi-Newton relaxation of atoms and cell together, made for small crystals and dear energies.

The unknowns are the fractional coordinates and a symmetric strain of the starting cell (6 numbers: the
rotations are left out). BFGS updates (Nocedal and Wright, Numerical Optimization, 2006, ch. 6) of a dense
Hessian that starts from what every solid has in common, its atoms on springs and its cell with a
bulk modulus; eigenvalues count by their size, so that a saddle point is left, not approached; steps stay in a
trust region. `python -m benchmarks relaxation` measures it beside FIRE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import Crystal

SPRING_EV_PER_ANG2 = 10.0
"""Diagonal of the first Hessian for an atom."""
MODULUS_EV_PER_ANG3 = 0.6
"""Diagonal of the first Hessian for a strain, over the volume (100 GPa)."""
MAX_MOVE_ANG, MAX_STRAIN = 0.2, 0.08
"""Largest move of an atom and largest strain in one step, at a trust of 1."""
MIN_CURVATURE = 0.1
"""Flat directions are taken to be at least this stiff, eV/Å^2 (eV for a strain)."""
MIN_TRUST, MAX_TRUST = 0.05, 2.0
LEAST_CURVATURE_KEPT = 0.2
"""Share of its curvature along a step that the Hessian keeps at the least in one update."""
RISE_EV_PER_ATOM = 2e-4
"""An energy that rises by less is taken for noise (single precision), not for a bad step."""

_ROOT2 = np.sqrt(2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a calculator says of one crystal.

    Attributes:
        forces: eV/Å, [n_atoms, 3].
        stress: eV/Å^3, [3, 3].
    """

    energy_ev: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The best crystal so far.

    Attributes:
        n_steps: steps tried.
        max_force_ev_per_ang: largest force on an atom.
    """

    crystal: Crystal
    energy_ev: float
    max_force_ev_per_ang: float
    n_steps: int
    converged: bool


def quasi_newton(
    start: Crystal, evaluate: Callable[[Crystal], Evaluation], fmax_ev_per_ang: float, max_steps: int
) -> Iterator[Step]:
    """Descend from `start`; yields after every step until converged or out of steps.

    Args:
        evaluate: energy, forces and stress; what it raises ends the descent.
        fmax_ev_per_ang: converged when no atom feels more than this (eV/Å) and no row of the virial per
            atom (eV) is longer: the criterion of ASE's cell filters, and so of Matbench Discovery.
    """
    n_atoms = len(start)
    path = _Path(start)
    hessian = np.diag(
        np.concatenate([np.full(3 * n_atoms, SPRING_EV_PER_ANG2), np.full(6, MODULUS_EV_PER_ANG3 * start.volume)])
    )
    x = np.zeros(3 * n_atoms + 6)
    crystal = start
    here = evaluate(crystal)
    gradient = path.gradient(x, here)
    trust = 1.0
    for n_steps in range(max_steps + 1):
        residual = _residual(crystal, here)
        converged = residual <= fmax_ev_per_ang
        yield Step(crystal, here.energy_ev, _longest(here.forces), n_steps, converged)
        if converged or n_steps == max_steps:
            return
        step, reach, gain = _propose(hessian, gradient, trust)
        crystal_there = path.crystal(x + step)
        there = evaluate(crystal_there)
        gradient_there = path.gradient(x + step, there)
        hessian = _bfgs(hessian, step, gradient_there - gradient)
        rise = there.energy_ev - here.energy_ev
        if rise > RISE_EV_PER_ATOM * n_atoms and _residual(crystal_there, there) > residual:
            trust = max(MIN_TRUST, 0.4 * reach)
            continue
        if rise < 0.75 * gain and reach >= 0.9 * trust:
            trust = min(MAX_TRUST, 1.5 * trust)
        elif rise > 0.25 * gain:
            trust = max(2 * MIN_TRUST, 0.6 * trust)
        x, crystal, here, gradient = x + step, crystal_there, there, gradient_there


class _Path:
    """Unknowns x [3 * n_atoms + 6] of a crystal: moves of the atoms in the frame of the starting cell, Å,
    then the strain S (Mandel's order, so that lengths are kept). Lattice rows become L (1 + S)."""

    def __init__(self, start: Crystal) -> None:
        self.start = start
        self.inverse = np.linalg.inv(start.lattice)

    def crystal(self, x: NDArray[np.float64]) -> Crystal:
        frac_coords = self.start.frac_coords + x[:-6].reshape(-1, 3) @ self.inverse
        return Crystal(self.start.numbers, frac_coords, self.start.lattice @ self._deformation(x))

    def gradient(self, x: NDArray[np.float64], at: Evaluation) -> NDArray[np.float64]:
        """dE/dx of an evaluation at x."""
        deformation = self._deformation(x)
        volume = self.start.volume * abs(float(np.linalg.det(deformation)))
        by_strain = volume * at.stress @ np.linalg.inv(deformation)
        s = (by_strain + by_strain.T) / 2
        mandel = [s[0, 0], s[1, 1], s[2, 2], _ROOT2 * s[1, 2], _ROOT2 * s[0, 2], _ROOT2 * s[0, 1]]
        return np.concatenate([(-at.forces @ deformation).ravel(), mandel])

    @staticmethod
    def _deformation(x: NDArray[np.float64]) -> NDArray[np.float64]:
        xx, yy, zz, yz, xz, xy = x[-6:] / np.array([1, 1, 1, _ROOT2, _ROOT2, _ROOT2])
        return np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _propose(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], trust: float
) -> tuple[NDArray[np.float64], float, float]:
    """Newton step cut to the trust region, its length (1 = the largest at a trust of 1), the gain it promises."""
    curvature, modes = np.linalg.eigh(hessian)
    curvature = np.maximum(np.abs(curvature), MIN_CURVATURE)
    step = -modes @ (modes.T @ gradient / curvature)
    length = max(_longest(step[:-6].reshape(-1, 3)) / MAX_MOVE_ANG, float(np.abs(step[-6:]).max()) / MAX_STRAIN)
    if length > trust:
        step, length = step * (trust / length), trust
    along = modes.T @ step
    return step, length, float(gradient @ step + (curvature * along**2).sum() / 2)


def _bfgs(hessian: NDArray[np.float64], step: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Hessian corrected so that it gives `change` of the gradient along `step`.

    Powell's damping (Nocedal and Wright, procedure 18.2): where the surface bends down along the step, only as much
    of the change is believed as keeps the Hessian positive. Undamped, one small negative denominator makes a
    mode so stiff that it never moves again.
    """
    known = hessian @ step
    rise, known_rise = float(change @ step), float(known @ step)
    if known_rise < 1e-12:
        return hessian
    if rise < LEAST_CURVATURE_KEPT * known_rise:
        believed = (1 - LEAST_CURVATURE_KEPT) * known_rise / (known_rise - rise)
        change = believed * change + (1 - believed) * known
        rise = float(change @ step)
    return hessian + np.outer(change, change) / rise - np.outer(known, known) / known_rise


def _residual(crystal: Crystal, at: Evaluation) -> float:
    """Longest force on an atom, eV/Å, or row of the virial per atom, eV."""
    return max(_longest(at.forces), crystal.volume / len(crystal) * _longest(at.stress))


def _longest(rows: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(rows, axis=1).max())
