"""The ground truth of replays: which crystals of a closed labelled pool are stable and new beside its references.

A crystal is *truly stable* if it is on the hull of the references and the whole pool, and equal to no reference and to
no crystal of the pool that is lower in energy. A crystal that failed to relax is never stable. Energies in eV/atom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
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
        e_form_ev_per_atom: formation energy of the relaxed crystal; NaN where relaxation failed, [n].
        novel: relaxed, and equal to no reference and to none of the labelled pool that is lower in energy, [n].
        stable: truly stable, [n].
    """

    references: PhaseSet
    labelled: LabelledPool
    build_hull: BuildHull
    start: CrystalBatch
    e_form_ev_per_atom: NDArray[np.float64]
    novel: NDArray[np.bool_]
    stable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


def make_ground_truth(
    references: PhaseSet, labelled: LabelledPool, novelty: Novelty, build_hull: BuildHull, progress: Progress = silent
) -> GroundTruth:
    """Return the ground truth of a labelled pool: its energies, duplicates and stable crystals.

    Raises:
        LevelMismatchError: if references and labelled pool are of two levels.
        MissingReferenceError: if an element of the labelled pool has no reference.
    """
    if references.level != labelled.level:
        raise LevelMismatchError(
            f"the labelled pool is of level {labelled.level}, the references of {references.level}: replay it beside "
            "references of its own level"
        )
    start, good = labelled.crystals, [(i, v) for i, v in enumerate(labelled.outcomes) if v.ok]
    relaxed = CrystalBatch.from_crystals(v.crystal for _, v in good)
    at = np.array([i for i, _ in good], dtype=np.int64)
    e_form = np.full(len(labelled), np.nan)
    e_form[at] = formation_energies(relaxed.counts, [v.energy_ev for _, v in good], references.elemental_ev_per_atom)
    progress("truth", 0, 0, "hull of references and labelled pool")
    whole = build_hull(references.add(labelled.outcomes))
    # An absurd energy, which no hull takes in, lies far below it.
    on_hull = np.abs(whole.distances(start.counts, e_form)) <= STABLE_EV_PER_ATOM
    progress("truth", 0, 0, "duplicates after relaxation")
    index = novelty.index()
    index.extend(references.ids, references.crystals)
    order = np.lexsort((at, e_form[at]))  # of equal crystals the lowest in energy is the novel one
    equal = index.admit([labelled.candidates[at[i]].id for i in order], relaxed.take(order))
    novel = np.zeros(len(labelled), dtype=bool)
    novel[at[order[[known is None for known in equal]]]] = True
    return GroundTruth(references, labelled, build_hull, start, e_form, novel, on_hull & novel)
