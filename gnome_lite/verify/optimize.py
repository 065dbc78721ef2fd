"""A quasi-Newton relaxation of atoms and cell together, made for small crystals and costly energies.

The unknowns are the fractional coordinates and a symmetric strain of the starting cell (6 numbers: the
rotations are left out). BFGS updates (Nocedal and Wright, Numerical Optimization, 2006, ch. 6) a dense
Hessian that starts from springs on the atoms and a bulk modulus of the cell; eigenvalues count by their size, so that
a saddle point is left, not approached; steps stay in a trust region and are taken back where the energy rises. Where a
symmetric crystal comes to rest, its softest mode is searched for: substitution puts atoms on special positions, and
forces alone never move them from there.
`python -m benchmarks verification_relaxation` measures it beside FIRE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.config import Symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.verify.space_group import from_mandel, operations_of, projector, symmetrised, to_mandel
from gnome_lite.verify.trajectories import Frame

SPRING_EV_PER_ANG2 = 10.0
"""Diagonal of the first Hessian for an atom."""
MODULUS_EV_PER_ANG3 = 0.6
"""Diagonal of the first Hessian for a strain, over the volume (100 GPa)."""
MAX_MOVE_ANG, MAX_STRAIN = 0.2, 0.08
"""Largest move of an atom and largest strain in one step, at a trust of 1."""
MIN_CURVATURE = 0.1
"""Flat directions are taken to be at least this stiff, eV/Å^2 (eV for a strain)."""
MIN_TRUST, MAX_TRUST = 0.05, 1.0
LEAST_CURVATURE_KEPT = 0.2
"""Share of its curvature along a step that the Hessian keeps at the least in one update."""
RISE_EV_PER_ATOM = 2e-5
"""An energy that rises by less is taken for noise (single precision), not for a bad step."""
FAR = 1.4
"""A volume that changed by more than this factor may have jumped into another valley: FIRE tries too."""
CALM_EV_PER_ANG = 1.0
"""Residual below which FIRE has found its valley, and the rest of the way is left to the quasi-Newton method."""
MAX_ESCAPES = 3
"""Saddles left in one relaxation."""
MIN_PROBES, MAX_PROBES = 3, 6
"""Fewest and most evaluations spent on the softest mode."""
HOPE_EV_PER_ANG2, UNSTABLE_EV_PER_ANG2 = 1.2, -0.4
"""Curvature above which the search ends after the fewest, and below which the mode is followed."""
PROBE_ANG, ESCAPE_ANG = 0.03, 0.15
"""Longest move of an atom in a probe, and when the saddle is left."""

Evaluate = Callable[[Crystal], Frame]
"""Crystal -> its energy, forces and stress."""
State = tuple[NDArray[np.float64], Frame, NDArray[np.float64]]
"""Unknowns, evaluation and gradient."""


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
    start: Crystal,
    evaluate: Evaluate,
    fmax_ev_per_ang: float,
    max_steps: int,
    *,
    symmetry: Symmetry = "free",
    cheap: Evaluate | None = None,
) -> Iterator[Step]:
    """Descend from `start`; yield after every step until converged or out of steps.

    Forces of a symmetric crystal have its symmetry, so that a descent can end on a saddle unnoticed. With
    symmetry "broken" the softest mode of the atoms is searched for there, and where it leads down, followed (at most
    `MAX_ESCAPES` times).

    Args:
        start: crystal to relax.
        evaluate: gives energy, forces and stress; what it raises ends the descent.
        fmax_ev_per_ang: converged when no atom feels more than this (eV/Å) and no row of the virial per
            atom (eV) is longer: the criterion of ASE's cell filters, and so of Matbench Discovery.
        max_steps: most evaluations after the first.
        symmetry: "kept" never leaves the space group of the start, which is made exact first; "broken" leaves saddles;
            "free" does neither: rounding errors decide, as in most optimisers.
        cheap: a cheaper `evaluate` of nearly the same surface. It goes the whole way first, saddles included, and
            `evaluate` only what is left of it, with the Hessian that `cheap` has learnt. Its steps are not yielded.
    """
    operations = operations_of(start) if symmetry != "free" else None
    if symmetry == "kept" and operations is not None:
        start = symmetrised(start, operations)
    descent = _Descent(start, evaluate if cheap is None else cheap, fmax_ev_per_ang, max_steps)
    if symmetry == "kept" and operations is not None:
        descent.unknowns.project = projector(start, operations)
    may_be_saddle = symmetry == "broken" and len(start) > 1 and operations is not None and len(operations) > 1
    if cheap is None:
        yield from _descend(descent, may_be_saddle)
        return
    for _ in _descend(descent, may_be_saddle):
        pass
    descent.evaluate, descent.n_steps = evaluate, 0
    descent.move_to(*descent.look(descent.x))
    yield descent.report()
    yield from descent.descend()


def _descend(descent: _Descent, may_be_saddle: bool) -> Iterator[Step]:
    """Descend the whole way: into the valley of the start, and off the saddles where it ends."""
    start = descent.unknowns.start
    yield from descent.begin()
    origin = descent.state
    yield from descent.descend()
    if abs(np.log(descent.here.crystal.volume / start.volume)) > np.log(FAR):
        far = descent.state
        descent.move_to(*origin)
        yield from descent.descend_by_fire()
        descent.forget()
        yield from descent.descend()
        if not descent.converged or descent.here.energy_ev > far[1].energy_ev:
            descent.move_to(*far)
        yield descent.report()
    if not may_be_saddle:
        return
    for _ in range(MAX_ESCAPES):
        if not descent.converged:
            return
        saddle = descent.report()
        yield from descent.look_down()
        if descent.soft_mode is None:
            return
        yield from descent.escape()
        yield from descent.descend()
        if not descent.converged or descent.here.energy_ev > saddle.energy_ev:
            yield replace(saddle, n_steps=descent.n_steps)
            return


class _Descent:
    """The state of a relaxation, and its parts: descend, search for an unstable mode, follow it."""

    def __init__(self, start: Crystal, evaluate: Evaluate, fmax_ev_per_ang: float, max_steps: int) -> None:
        self.unknowns = Unknowns(start)
        self.evaluate = evaluate
        self.fmax_ev_per_ang = fmax_ev_per_ang
        self.max_steps = max_steps
        self.n_atoms = len(start)
        self.n_steps = 0
        self.soft_mode: NDArray[np.float64] | None = None

    @property
    def converged(self) -> bool:
        return self.residual <= self.fmax_ev_per_ang

    def report(self) -> Step:
        here = self.here
        return Step(here.crystal, here.energy_ev, _longest(here.forces), self.n_steps, self.converged)

    def begin(self) -> Iterator[Step]:
        self.move_to(*self.look(np.zeros(3 * self.n_atoms + 6)))
        self.forget()
        yield self.report()

    def look(self, x: NDArray[np.float64]) -> State:
        """Return x with its evaluation and gradient."""
        there = self.evaluate(self.unknowns.crystal(x))
        return x, there, self.unknowns.gradient(x, there)

    def move_to(self, x: NDArray[np.float64], here: Frame, gradient: NDArray[np.float64]) -> None:
        self.x, self.here, self.gradient = x, here, gradient
        # Longest force on an atom, eV/Å, or row of the virial per atom, eV.
        self.residual = max(_longest(here.forces), here.crystal.volume / self.n_atoms * _longest(here.stress))

    @property
    def state(self) -> State:
        return self.x, self.here, self.gradient

    def forget(self) -> None:
        """Start with the first Hessian again: springs on the atoms and a bulk modulus of the cell."""
        moduli = np.full(6, MODULUS_EV_PER_ANG3 * self.here.crystal.volume)
        self.hessian = np.diag(np.concatenate([np.full(3 * self.n_atoms, SPRING_EV_PER_ANG2), moduli]))

    def descend_by_fire(self) -> Iterator[Step]:
        """Descend by FIRE until no force is large: slower, but it stays in the valley in which it began.

        Bitzek et al., Physical Review Letters 97, 170201 (2006), with ASE's parameters.
        """
        scale = np.concatenate([np.ones(3 * self.n_atoms), np.full(6, self.n_atoms)])
        velocity = np.zeros_like(self.x)
        dt, mixing, n_downhill = 0.1, 0.1, 0
        while self.residual > CALM_EV_PER_ANG and not self.converged and self.n_steps < self.max_steps:
            force = -self.gradient / scale
            if (power := float(force @ velocity)) > 0:
                velocity = (1 - mixing) * velocity + mixing * force * np.linalg.norm(velocity) / np.linalg.norm(force)
                if n_downhill > 5:
                    dt, mixing = min(1.1 * dt, 1.0), 0.99 * mixing
                n_downhill += 1
            elif power < 0:
                velocity, dt, mixing, n_downhill = np.zeros_like(velocity), 0.5 * dt, 0.1, 0
            velocity = velocity + dt * force
            step = dt * velocity
            step = step * min(1.0, MAX_MOVE_ANG / float(np.linalg.norm(step)))
            self.move_to(*self.look(self.x + step / scale))
            self.n_steps += 1
            yield self.report()

    def descend(self) -> Iterator[Step]:
        trust = 1.0
        while not self.converged and self.n_steps < self.max_steps:
            step, reach, gain = _propose(self.hessian, self.gradient, trust)
            x, there, gradient = self.look(self.x + step)
            self.n_steps += 1
            self.hessian = _bfgs(self.hessian, step, gradient - self.gradient)
            rise = there.energy_ev - self.here.energy_ev
            if rise > RISE_EV_PER_ATOM * self.n_atoms:
                trust = max(MIN_TRUST, 0.4 * reach)
            else:
                if rise < 0.75 * gain and reach >= 0.9 * trust:
                    trust = min(MAX_TRUST, 1.5 * trust)
                elif rise > 0.25 * gain:
                    trust = max(2 * MIN_TRUST, 0.6 * trust)
                self.move_to(x, there, gradient)
            yield self.report()

    def look_down(self) -> Iterator[Step]:
        """Search for the atoms' most unstable mode: Lanczos with finite differences of the forces.

        Golub and Van Loan, Matrix Computations, ch. 10.
        """
        self.soft_mode = None
        n = 3 * self.n_atoms
        direction = _without_drift(np.random.default_rng(0).normal(size=n), np.zeros((0, n)))
        modes, changes = np.zeros((0, n)), np.zeros((0, n))
        while self.n_steps < self.max_steps and len(modes) < MAX_PROBES:
            size = PROBE_ANG / _longest(direction.reshape(-1, 3))
            _, _, gradient = self.look(self.x + np.pad(size * direction, (0, 6)))
            self.n_steps += 1
            yield self.report()
            modes = np.vstack([modes, direction])
            changes = np.vstack([changes, (gradient - self.gradient)[:-6] / size])
            ritz = modes @ changes.T
            curvature, vectors = np.linalg.eigh((ritz + ritz.T) / 2)
            if len(modes) >= MIN_PROBES and curvature[0] > HOPE_EV_PER_ANG2:
                return
            direction = _without_drift(changes[-1], modes)
            if not direction.any():
                break
        if len(modes) and curvature[0] < UNSTABLE_EV_PER_ANG2:
            self.soft_mode = vectors[:, 0] @ modes

    def escape(self) -> Iterator[Step]:
        """Move down along the soft mode, to the side where the energy falls."""
        assert self.soft_mode is not None, "look_down found one"
        move = np.pad(self.soft_mode * ESCAPE_ANG / _longest(self.soft_mode.reshape(-1, 3)), (0, 6))
        for step in (move, -move):
            if self.n_steps == self.max_steps:
                return
            x, there, gradient = self.look(self.x + step)
            self.n_steps += 1
            if there.energy_ev < self.here.energy_ev:
                self.hessian = _bfgs(self.hessian, step, gradient - self.gradient)
                self.move_to(x, there, gradient)
                yield self.report()
                return
            yield self.report()


def _without_drift(direction: NDArray[np.float64], modes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vector of a direction without drift of the crystal and known modes; 0 if nothing is left."""
    length = float(np.linalg.norm(direction))
    for _ in range(2):
        direction = (direction.reshape(-1, 3) - direction.reshape(-1, 3).mean(axis=0)).ravel()
        direction = direction - (modes @ direction) @ modes
    left = float(np.linalg.norm(direction))
    return direction / left if left > 1e-3 * length else np.zeros_like(direction)


class Unknowns:
    """The unknowns x [3 * n_atoms + 6] of a relaxation.

    First the moves of the atoms in the frame of the starting cell, Å, then the strain S in Mandel's notation, so that
    lengths are kept. Lattice rows become L (1 + S).
    """

    def __init__(self, start: Crystal) -> None:
        self.start = start
        self.inverse = np.linalg.inv(start.lattice)
        self.project: NDArray[np.float64] | None = None

    def crystal(self, x: NDArray[np.float64]) -> Crystal:
        """Return the crystal at x."""
        frac_coords = self.start.frac_coords + x[:-6].reshape(-1, 3) @ self.inverse
        return Crystal(self.start.numbers, frac_coords, self.start.lattice @ (np.eye(3) + from_mandel(x[-6:])))

    def gradient(self, x: NDArray[np.float64], at: Frame) -> NDArray[np.float64]:
        """Return dE/dx of an evaluation at x."""
        deformation = np.eye(3) + from_mandel(x[-6:])
        volume = self.start.volume * abs(float(np.linalg.det(deformation)))
        by_strain = volume * at.stress @ np.linalg.inv(deformation)
        gradient = np.concatenate([(-at.forces @ deformation).ravel(), to_mandel((by_strain + by_strain.T) / 2)])
        return gradient if self.project is None else self.project @ gradient


def _propose(
    hessian: NDArray[np.float64], gradient: NDArray[np.float64], trust: float
) -> tuple[NDArray[np.float64], float, float]:
    """Return the Newton step in the trust region, its length (1 = largest at a trust of 1), and the expected gain."""
    curvature, modes = np.linalg.eigh(hessian)
    curvature = np.maximum(np.abs(curvature), MIN_CURVATURE)
    step = -modes @ (modes.T @ gradient / curvature)
    length = max(_longest(step[:-6].reshape(-1, 3)) / MAX_MOVE_ANG, float(np.abs(step[-6:]).max()) / MAX_STRAIN)
    if length > trust:
        step, length = step * (trust / length), trust
    along = modes.T @ step
    return step, length, float(gradient @ step + (curvature * along**2).sum() / 2)


def _bfgs(hessian: NDArray[np.float64], step: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hessian corrected so that it gives `change` of the gradient along `step`.

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


def _longest(rows: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(rows, axis=1).max())
