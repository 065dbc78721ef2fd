"""Statistics of a reference set: coverage, distances to the hull, and energies beside other labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

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
    """Formation energies of the same structures here and elsewhere.

    Attributes:
        here_ev_per_atom, other_ev_per_atom: formation energies, [n].
        formulas: reduced formulas that both sets have, whatever the structures.
    """

    here_ev_per_atom: NDArray[np.float64]
    other_ev_per_atom: NDArray[np.float64]
    formulas: int

    @property
    def difference_ev_per_atom(self) -> NDArray[np.float64]:
        return self.here_ev_per_atom - self.other_ev_per_atom


def datasheet(references: PhaseSet, elements: Sequence[str], build_hull: BuildHull) -> Datasheet:
    """Return the figures of a reference set for some elements."""
    counts, kinds = references.counts, (references.counts > 0).sum(axis=1)
    z = np.array([atomic_number(e) for e in elements])
    holds = (counts[:, z] > 0).astype(np.int64)
    found = np.unique(holds[kinds == holds.sum(axis=1)], axis=0).sum(axis=1)
    systems = {n: (int((found == n).sum()), comb(len(elements), n)) for n in range(2, LARGEST_SYSTEM + 1)}
    distances = build_hull(references).distances(counts[kinds > 1], references.e_form_ev_per_atom[kinds > 1])
    return Datasheet(tuple(elements), holds.T @ holds, systems, np.maximum(distances, 0.0))


def compare_labels(
    references: PhaseSet, others: TrainingSet, novelty: Novelty, progress: Progress = silent
) -> LabelComparison:
    """Compare crystals of both sets that StructureMatcher takes as the same, the lowest of ours where several are."""
    formulas, e_form = others.crystals.reduced_formulas(), references.e_form_ev_per_atom
    shared = set(references.formulas).intersection(formulas)
    index = novelty.index()
    for i in np.argsort(e_form, kind="stable").tolist():
        if references.formulas[i] in shared:
            index.add(references.ids[i], references.crystals[i])
    here, there = [], []
    for k, (crystal, formula) in enumerate(zip(others.crystals, formulas, strict=True)):
        same = index.find(crystal) if formula in shared else None
        if same is not None:
            here.append(float(e_form[references.index(same)]))
            there.append(float(others.e_form_ev_per_atom[k]))
        progress("compare", k + 1, len(others), formula)
    return LabelComparison(np.array(here), np.array(there), len(shared))
