"""A round that may spend so many seconds: rank goes before size, and a restart spends no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samples.small_campaign import LEVEL, begin, pool, prediction, verification

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.steps import RANKED_AT_ONCE, verify
from gnome_lite.config import Selection
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate, CandidatePool, Verification
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.pipeline import silent
from gnome_lite.store.database import SqlStore

N = 3 * RANKED_AT_ONCE


class Clock:
    """A verifier that takes 1.5 s for each crystal and remembers what it was asked for."""

    level = LEVEL

    def __init__(self) -> None:
        self.asked: list[str] = []

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        for c in candidates:
            self.asked.append(c.id)
            yield verification(c.crystal)


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    from gnome_lite.store.database import SqlStore

    store = SqlStore.open(tmp_path / "store.sqlite")
    begin(store)
    crystals = tuple(
        Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], [[5 + i, 0, 0], [0, 5, 0], [0, 0, 5]]) for i in range(N)
    )
    store.add_candidates("first", CandidatePool.concatenate([pool(crystals)], 1), ["f"] * N, {"kept": N})
    store.add_predictions("first", 1, [prediction(c, 0.5) for c in crystals], {})
    store.add_selection("first", 1, [c.content_id for c in crystals], [], {})
    return store


def context(store: SqlStore, verifier: Clock, budget_s: float | None) -> Context:
    config = SimpleNamespace(name="first", select=Selection(budget_s=budget_s))
    parts: Any = SimpleNamespace(
        store=store, verifier=verifier, config=config, progress=silent, novelty=CrystalNovelty()
    )
    return Context(parts)


def test_the_best_ranked_are_verified_until_the_seconds_are_spent(store: SqlStore) -> None:
    ranked = [c.id for c, _ in store.selected("first", 1)]
    clock = Clock()
    figures = verify(context(store, clock, 1.5 * (RANKED_AT_ONCE + 1)), 1)
    assert figures["verified"] == 2 * RANKED_AT_ONCE
    assert clock.asked == ranked[: 2 * RANKED_AT_ONCE]
    # The same step again, as after a kill before it was marked as done: nothing is left to spend.
    again = Clock()
    assert verify(context(store, again, 1.5 * (RANKED_AT_ONCE + 1)), 1) == figures
    assert again.asked == []


def test_without_a_limit_all_are_verified(store: SqlStore) -> None:
    clock = Clock()
    assert verify(context(store, clock, None), 1)["verified"] == N
    assert len(clock.asked) == N
