"""What replays happen in: a closed universe beside its references, and the truth about it.

A crystal is *truly stable* if it is on the hull of the references and the whole universe, and equal to no reference and
to no crystal of the universe that is lower in energy. What failed to relax is never stable.

Energies in eV/atom throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import CrystalBatch, chemical_system
from gnome_lite.errors import LevelMismatchError
from gnome_lite.pipeline import BuildHull, Novelty, Progress, silent
from gnome_lite.records import STABLE_EV_PER_ATOM
from gnome_lite.references import ReferenceSet, formation_energies
from gnome_lite.universe import Universe


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A universe beside its references, n candidates. Build with `make_world`.

    Attributes:
        start: unrelaxed crystals, [n].
        formulas, systems, generators: of each candidate, [n].
        e_form_ev_per_atom: of the relaxed crystal; NaN where relaxation failed, [n].
        ground_ev_per_atom: formation energy of the references' hull at each composition, [n].
        probability: of the substitution that made it, NaN where there was none, [n].
        novel: relaxed, and equal to no reference and to none of the universe that is lower in energy, [n].
        stable: truly, [n].
    """

    references: ReferenceSet
    universe: Universe
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


def make_world(
    references: ReferenceSet, universe: Universe, novelty: Novelty, build_hull: BuildHull, progress: Progress = silent
) -> World:
    """Look everything up once: energies, hull, duplicates, truth.

    Raises:
        LevelMismatchError: if references and universe are of two levels.
        MissingReferenceError: if an element of the universe has no reference.
    """
    if references.level != universe.level:
        raise LevelMismatchError(
            f"the universe is of level {universe.level}, the references of {references.level}: replay it beside "
            "references of its own level"
        )
    start = universe.crystals
    ok = np.array([v.ok for v in universe.outcomes])
    e_form = np.full(len(universe), np.nan)
    relaxed = CrystalBatch.from_crystals(v.crystal for v in universe.outcomes if v.ok)
    energies = [v.energy_ev for v in universe.outcomes if v.ok]
    e_form[ok] = formation_energies(relaxed.counts, energies, references.elemental_ev_per_atom)
    progress("truth", 0, 0, "hull of references and universe")
    hull = build_hull(references, ())
    ground = -hull.distances(start.counts, np.zeros(len(start)))
    whole = build_hull(references, universe.outcomes)
    # An energy too absurd for any hull lies far below it.
    on_hull = np.abs(whole.distances(start.counts, e_form)) <= STABLE_EV_PER_ATOM
    progress("truth", 0, 0, "duplicates after relaxation")
    index = novelty.index()
    for entry in references.entries:
        index.add(entry.id, entry.crystal)
    at = np.flatnonzero(ok)
    order = np.lexsort((at, e_form[ok]))  # of equal crystals the lowest is the one that counts
    equal = index.admit([universe.candidates[at[i]].id for i in order], relaxed.take(order))
    novel = np.zeros(len(universe), dtype=bool)
    novel[at[order[[known is None for known in equal]]]] = True
    return World(
        references,
        universe,
        build_hull,
        start,
        np.array(start.reduced_formulas(), dtype=object),
        np.array([chemical_system(crystal.numbers) for crystal in start], dtype=object),
        np.array([c.generator for c in universe.candidates], dtype=object),
        e_form,
        ground,
        np.array([c.probability for c in universe.candidates]),
        novel,
        on_hull & novel,
    )
