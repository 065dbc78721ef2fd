"""Admission of a round's candidates: none equals a known phase, or a candidate that the store holds.

Campaigns of one store generate at the same time. A candidate is compared with what the store holds when its formula is
first met; what other campaigns have added since, the store tells in the transaction that would write the round, and
writes nothing. Then these few are compared, and the round is written again. So no lock is held while structures are
matched, and no two campaigns add one material, whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.pipeline import CrystalIndex, Novelty
from gnome_lite.store.database import SqlStore


class Admission:
    """The candidates of one round, compared with all that is known.

    Args:
        index: known phases; what is admitted is added to it.
    """

    def __init__(self, store: SqlStore, novelty: Novelty, index: CrystalIndex) -> None:
        self._store, self._novelty, self._index = store, novelty, index
        self._formulas, self._compared = set[str](), set[str]()

    def compare(self, pool: CandidatePool) -> Sequence[str | None]:
        """Admit the candidates that are new; return which crystal each of the others equals, [n]."""
        formulas = set(pool.crystals.reduced_formulas()) - self._formulas
        for stored in self._store.candidates_with_formulas(formulas).values():
            self._index.extend([c.id for c in stored], CrystalBatch.from_crystals(c.crystal for c in stored))
            self._compared.update(c.id for c in stored)
        self._formulas |= formulas
        return self._index.admit(pool.crystals.content_ids, pool.crystals)

    def store(
        self, campaign: str, pool: CandidatePool, figures_of: Callable[[CandidatePool], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Store admitted candidates; one that another campaign has added meanwhile is linked as that one's.

        Args:
            figures_of: the figures of the step, given what is stored.

        Returns:
            These figures.
        """
        fingerprints: dict[str, str] = {}
        while True:
            ids = pool.crystals.content_ids
            missing = [i for i, name in enumerate(ids) if name not in fingerprints]
            found = self._novelty.fingerprints(pool.crystals.take(missing))
            fingerprints |= dict(zip([ids[i] for i in missing], found, strict=True))
            figures = dict(figures_of(pool))
            added = self._store.add_candidates(campaign, pool, [fingerprints[i] for i in ids], figures, self._compared)
            if not added.uncompared:
                return figures
            self._compared.update(c.id for c in added.uncompared)
            pool = self._with_twins(pool, added.uncompared)

    def _with_twins(self, pool: CandidatePool, others: Sequence[Candidate]) -> CandidatePool:
        """Return the pool with the stored candidate in place of each of its own that is the same."""
        crystals, by_id = CrystalBatch.from_crystals(c.crystal for c in others), {c.id: c for c in others}
        formulas = set(crystals.reduced_formulas())
        alike = [i for i, formula in enumerate(pool.crystals.reduced_formulas()) if formula in formulas]
        index = self._novelty.index()
        index.extend(list(by_id), crystals)
        mine = pool.crystals.take(alike)
        same_as = dict(zip(alike, index.admit(mine.content_ids, mine), strict=True))
        twins = {i: by_id[other] for i, other in same_as.items() if other in by_id}
        stay = pool.take([i not in twins for i in range(len(pool))])
        # Two that differ may both be the same as a third.
        linked = {twin.id: twin for twin in twins.values()}
        return CandidatePool.concatenate([stay, _as_pool(list(linked.values()), pool.round)], pool.round)


def _as_pool(candidates: Sequence[Candidate], round: int) -> CandidatePool:
    return CandidatePool(
        CrystalBatch.from_crystals(c.crystal for c in candidates),
        tuple(c.parent_id for c in candidates),
        tuple(c.change for c in candidates),
        tuple(c.generator for c in candidates),
        np.array([c.probability for c in candidates], dtype=np.float64),
        np.array([c.multiplicity for c in candidates], dtype=np.int64),
        round,
    )
