"""What a reference set covers, how far its crystals lie above the hull, how its energies compare with other labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import BuildHull, Novelty, Progress, silent

LARGEST_SYSTEM = 4


@dataclass(frozen=True, slots=True, eq=False)
class Datasheet:
    """Figures of one reference set within some elements.

    Attributes:
        elements: k symbols.
        with_both: crystals that hold both elements of a pair (and whatever else), int64 [k, k]; on the diagonal those
            that hold the element.
        systems: chemical systems with a crystal of just these elements, and all there are, by number of elements.
        e_above_hull_ev_per_atom: of each crystal of two elements or more, wherever it lies, [n].
    """

    elements: tuple[str, ...]
    with_both: NDArray[np.int64]
    systems: dict[int, tuple[int, int]]
    e_above_hull_ev_per_atom: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelComparison:
    """Formation energies here and elsewhere, of the same structures.

    Attributes:
        here_ev_per_atom, other_ev_per_atom: [n].
        formulas: reduced formulas that both sets have, whatever the structures.
    """

    here_ev_per_atom: NDArray[np.float64]
    other_ev_per_atom: NDArray[np.float64]
    formulas: int

    @property
    def difference_ev_per_atom(self) -> NDArray[np.float64]:
        return self.here_ev_per_atom - self.other_ev_per_atom


def datasheet(references: PhaseSet, elements: Sequence[str], build_hull: BuildHull) -> Datasheet:
    """Of a reference set, for these elements."""
    counts = references.crystals.counts
    z = np.array([atomic_number(e) for e in elements])
    holds = (counts[:, z] > 0).astype(np.int64)
    inside = (counts > 0).sum(axis=1) == holds.sum(axis=1)
    found = {tuple(np.flatnonzero(row).tolist()) for row in holds[inside]}
    systems = {
        n: (sum(len(s) == n for s in found), sum(1 for _ in combinations(elements, n)))
        for n in range(2, LARGEST_SYSTEM + 1)
    }
    compounds = (counts > 0).sum(axis=1) > 1
    hull = build_hull(references)
    distances = hull.distances(counts[compounds], references.e_form_ev_per_atom[compounds])
    return Datasheet(tuple(elements), holds.T @ holds, systems, np.maximum(distances, 0.0))


def compare_labels(
    references: PhaseSet, others: TrainingSet, novelty: Novelty, progress: Progress = silent
) -> LabelComparison:
    """Crystals that both sets have, by StructureMatcher's measure, the lowest of ours where several are the same."""
    formulas = references.crystals.reduced_formulas()
    shared = set(formulas) & set(others.crystals.reduced_formulas())
    index, energy = novelty.index(), {}
    for i in np.argsort(references.e_form_ev_per_atom, kind="stable"):
        if formulas[i] in shared:
            energy[references.ids[i]] = float(references.e_form_ev_per_atom[i])
            index.add(references.ids[i], references.crystals[int(i)])
    here, there = [], []
    for done, (crystal, formula, e_form) in enumerate(
        zip(others.crystals, others.crystals.reduced_formulas(), others.e_form_ev_per_atom, strict=True), 1
    ):
        same = index.find(crystal) if formula in shared else None
        if same is not None:
            here.append(energy[same])
            there.append(float(e_form))
        progress("compare", done, len(others), formula)
    return LabelComparison(np.array(here), np.array(there), len(shared))
