"""What replays happen in: a closed labelled pool beside its references, and the truth about it.

A crystal is *truly stable* if it is on the hull of the references and the whole pool, and equal to no reference and to
no crystal of the pool that is lower in energy. What failed to relax is never stable.

Energies in eV/atom throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch, chemical_system
from gnome_lite.core.errors import LevelMismatchError
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.evaluation.labelled_pool import LabelledPool
from gnome_lite.pipeline import BuildHull, Novelty, Progress, silent


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """A labelled pool beside its references, n candidates. Build with `make_ground_truth`.

    Attributes:
        start: unrelaxed crystals, [n].
        formulas, systems, generators: of each candidate, [n].
        e_form_ev_per_atom: of the relaxed crystal; NaN where relaxation failed, [n].
        ground_ev_per_atom: formation energy of the references' hull at each composition, [n].
        probability: of the substitution that made it, NaN where there was none, [n].
        novel: relaxed, and equal to no reference and to none of the labelled pool that is lower in energy, [n].
        stable: truly, [n].
    """

    references: PhaseSet
    labelled: LabelledPool
    build_hull: BuildHull
    start: CrystalBatch
    formulas: NDArray[np.object_]
    systems: NDArray[np.object_]
    generators: NDArray[np.object_]
    e_form_ev_per_atom: NDArray[np.float64]
    ground_ev_per_atom: NDArray[np.float64]
    probability: NDArray[np.float64]
    novel: NDArray[np.bool_]
    stable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


def make_ground_truth(
    references: PhaseSet,
    labelled: LabelledPool,
    novelty: Novelty,
    build_hull: BuildHull,
    progress: Progress = silent,
) -> GroundTruth:
    """Look everything up once: energies, hull, duplicates, truth.

    Raises:
        LevelMismatchError: if references and labelled pool are of two levels.
        MissingReferenceError: if an element of the labelled pool has no reference.
    """
    if references.level != labelled.level:
        raise LevelMismatchError(
            f"the labelled pool is of level {labelled.level}, the references of {references.level}: replay it beside "
            "references of its own level"
        )
    start = labelled.crystals
    ok = np.array([v.ok for v in labelled.outcomes])
    e_form = np.full(len(labelled), np.nan)
    relaxed = CrystalBatch.from_crystals(v.crystal for v in labelled.outcomes if v.ok)
    energies = [v.energy_ev for v in labelled.outcomes if v.ok]
    e_form[ok] = formation_energies(relaxed.counts, energies, references.elemental_ev_per_atom)
    progress("truth", 0, 0, "hull of references and labelled pool")
    hull = build_hull(references)
    ground = -hull.distances(start.counts, np.zeros(len(start)))
    whole = build_hull(references.add(labelled.outcomes))
    # An energy too absurd for any hull lies far below it.
    on_hull = np.abs(whole.distances(start.counts, e_form)) <= STABLE_EV_PER_ATOM
    progress("truth", 0, 0, "duplicates after relaxation")
    index = novelty.index()
    for phase in references:
        index.add(phase.id, phase.crystal)
    at = np.flatnonzero(ok)
    order = np.lexsort((at, e_form[ok]))  # of equal crystals the lowest is the one that counts
    equal = index.admit([labelled.candidates[at[i]].id for i in order], relaxed.take(order))
    novel = np.zeros(len(labelled), dtype=bool)
    novel[at[order[[known is None for known in equal]]]] = True
    return GroundTruth(
        references,
        labelled,
        build_hull,
        start,
        np.array(start.reduced_formulas(), dtype=object),
        np.array([chemical_system(crystal.numbers) for crystal in start], dtype=object),
        np.array([c.generator for c in labelled.candidates], dtype=object),
        e_form,
        ground,
        np.array([c.probability for c in labelled.candidates]),
        novel,
        on_hull & novel,
    )
