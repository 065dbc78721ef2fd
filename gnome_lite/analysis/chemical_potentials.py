"""Stability range of a crystal: the chemical potentials of its elements at which no other phase forms before it.

The potentials Δμ are relative to the elements' own phases, eV/atom: Δμ_i <= 0 for every element, sum x_i Δμ_i equals
the crystal's formation energy, and of no other phase may sum x_ij Δμ_i exceed its formation energy. What is left is a
convex region, flat if the crystal just touches the hull, and empty above it (as pymatgen's `ChemicalPotentialDiagram`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import symbol
from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.core.phases import PhaseSet

_FLAT_EV = 1e-9
_SLACK_EV_PER_ATOM = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class StabilityRange:
    """The region in which one crystal is the stable phase; d elements.

    Attributes:
        elements: symbols.
        lowest_ev, highest_ev: of each element's Δμ over the region, eV/atom, [d].
        corners: of the region, Δμ in eV/atom, [k, d].
        bounded_by: ids of the phases it shares a border with; pure elements are the borders Δμ = 0.
    """

    elements: tuple[str, ...]
    lowest_ev: NDArray[np.float64]
    highest_ev: NDArray[np.float64]
    corners: NDArray[np.float64]
    bounded_by: tuple[str, ...]


def stability_range(phases: PhaseSet, index: int) -> StabilityRange | None:
    """Return the region of one crystal; None if it is above the hull, for then it is stable nowhere.

    Raises:
        MissingReferenceError: if an element has no phase of its own.
    """
    elements = phases.elements(index)
    others = phases.lowest_within(elements)
    others = others[[phases.formulas[j] != phases.formulas[index] for j in others]]
    present = phases.counts[others] > 0
    for z in elements:
        if len(elements) > 1 and not (present[:, z] & (present.sum(axis=1) == 1)).any():
            raise MissingReferenceError(f"no phase of pure {symbol(z)}: add one at level {phases.level} to the sources")
    names = tuple(symbol(z) for z in elements)
    here = float(phases.e_form_ev_per_atom[index])
    if here > phases.e_form_ev_per_atom[phases.polymorphs(index)[0]] + _SLACK_EV_PER_ATOM:
        return None
    if len(elements) == 1:
        return StabilityRange(names, np.zeros(1), np.zeros(1), np.zeros((1, 1)), ())
    rows = phases.fractions[others][:, list(elements)]
    limits = phases.e_form_ev_per_atom[others]
    share = phases.fractions[index, list(elements)]
    ends = [end for k in range(len(elements)) if (end := _span(k, rows, limits, share, here)) is not None]
    if len(ends) < len(elements):
        return None
    corners = _corners(rows, limits, share, here, ends)
    slack = limits[:, None] - rows @ corners.T
    touching = np.flatnonzero((slack < 1e-7).any(axis=1))
    lowest, highest = np.diagonal(np.array(ends), axis1=0, axis2=2)
    return StabilityRange(names, lowest.copy(), highest.copy(), corners, tuple(phases.ids[others[j]] for j in touching))


Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


def _span(
    k: int, rows: NDArray[np.float64], limits: NDArray[np.float64], share: NDArray[np.float64], here: float
) -> Ends | None:
    """Return the potentials [d] at which element k's is lowest and highest; None if the region is empty."""
    from scipy.optimize import linprog

    found = []
    for sign in (1.0, -1.0):
        cost = np.zeros(len(share))
        cost[k] = sign
        solved = linprog(
            cost, A_ub=rows, b_ub=limits + _SLACK_EV_PER_ATOM, A_eq=share[None], b_eq=[here], bounds=(None, None),
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )  # fmt: skip
        if not solved.success:
            return None
        found.append(np.minimum(solved.x, 0.0))
    return found[0], found[1]


def _corners(
    rows: NDArray[np.float64], limits: NDArray[np.float64], share: NDArray[np.float64], here: float, ends: list[Ends]
) -> NDArray[np.float64]:
    """Return all corners [k, d], in the order of their potentials; those of the ends alone where the region is flat."""
    from scipy.optimize import linprog
    from scipy.spatial import HalfspaceIntersection, QhullError

    d = len(share)
    known = np.array(ends).reshape(-1, d)
    if d > 2:
        # The last potential follows from the others: d - 1 are free.
        normals = rows[:, :-1] - np.outer(rows[:, -1] / share[-1], share[:-1])
        offsets = limits - rows[:, -1] * here / share[-1]
        lengths = np.linalg.norm(normals, axis=1)
        keep = lengths > 1e-12
        normals, offsets, lengths = normals[keep], offsets[keep], lengths[keep]
        inside = linprog(
            np.append(np.zeros(d - 1), -1.0), A_ub=np.column_stack([normals, lengths]), b_ub=offsets,
            bounds=[(None, None)] * (d - 1) + [(0.0, None)], method="highs-ds",
        )  # fmt: skip
        if inside.success and inside.x[-1] > _FLAT_EV:
            try:
                found = HalfspaceIntersection(np.column_stack([normals, -offsets]), inside.x[:-1]).intersections
                known = np.column_stack([found, (here - found @ share[:-1]) / share[-1]])
            except QhullError:
                pass  # too thin for Qhull: the ends of each element's span stand for the corners
    _, first = np.unique(known.round(7) + 0.0, axis=0, return_index=True)
    return known[first]
