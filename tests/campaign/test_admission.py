"""Campaigns that generate at the same time add no material twice, on either database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from samples.small_campaign import CRYSTALS, begin, pool, rocksalt

from gnome_lite.campaign.admission import Admission
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import CandidatePool
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.store import candidates
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore

LIF, NACL, KCL = CRYSTALS[:3]
TWIN, THIRD = rocksalt(3, 9, 4.15), rocksalt(3, 9, 4.2)
"""The same material as LIF, each in a cell that is a little larger."""
KBR, KBR_TWIN = rocksalt(19, 35, 6.6), rocksalt(19, 35, 6.7)
LIF2 = Crystal.make([3, 9], [[0, 0, 0], [0.5, 0.5, 0.5]], [[3, 0, 0], [0, 3, 0], [0, 0, 3]])
"""Another material of that formula."""
ON_EITHER = pytest.mark.parametrize("on", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])


@pytest.fixture
def url(on: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres")) if on == "postgres" else f"sqlite:///{tmp_path / 'store.sqlite'}"


def admission(store: SqlStore) -> Admission:
    novelty = CrystalNovelty()
    return Admission(store, novelty, novelty.index())


def figures_of(stored: CandidatePool) -> Mapping[str, Any]:
    return {"kept": len(stored)}


def linked(store: SqlStore, campaign: str, round: int = 1) -> set[str]:
    return {c.id for c in store.unverified(campaign, round, "test-1", 0)}


def ids(*crystals: Crystal) -> set[str]:
    return {c.content_id for c in crystals}


@ON_EITHER
def test_what_another_campaign_has_added_since_is_linked(url: str) -> None:
    first, second = SqlStore.open(url), SqlStore.open(url)
    begin(first, "first")
    begin(second, "second")
    one, other = admission(first), admission(second)
    mine, theirs = pool((LIF, NACL)), pool((TWIN, LIF2, KCL))
    assert one.compare(mine) == [None] * 2
    assert other.compare(theirs) == [None] * 3  # it cannot see the first one's yet
    assert one.store("first", mine, figures_of) == {"kept": 2}
    assert other.store("second", theirs, figures_of) == {"kept": 3}
    assert linked(first, "first") == ids(LIF, NACL)
    assert linked(first, "second") == ids(LIF, LIF2, KCL)
    assert second.done("second", 1, "generate") == {"kept": 3}
    of_formula = first.candidates_with_formulas([LIF.reduced_formula])[LIF.reduced_formula]
    assert {c.id for c in of_formula} == ids(LIF, LIF2)


def test_equal_candidates_stay_each_ones_own(tmp_path: Path) -> None:
    """Campaigns of one seed propose the same crystals: none of them loses any, and both decide the same."""
    store = SqlStore.open(tmp_path / "store.sqlite")
    for name in ("first", "second"):
        begin(store, name)
    found = [admission(store) for _ in range(2)]
    for each in found:
        each.compare(pool())
    for name, each in zip(("first", "second"), found, strict=True):
        assert each.store(name, pool(), figures_of) == {"kept": 6}
    assert linked(store, "first") == linked(store, "second") == ids(*CRYSTALS)


def test_two_that_equal_what_was_added_are_one_candidate(tmp_path: Path) -> None:
    """Sameness is not transitive, so of two crystals that were kept apart each may be the same as a third."""
    store = SqlStore.open(tmp_path / "store.sqlite")
    for name in ("first", "second"):
        begin(store, name)
    late = admission(store)
    late.compare(pool((NACL,)))
    store.add_candidates("first", pool((LIF,)), ["f"], {})
    assert late.store("second", pool((TWIN, THIRD, NACL)), figures_of) == {"kept": 2}
    assert linked(store, "second") == ids(LIF, NACL)


@ON_EITHER
def test_who_adds_while_another_adds_waits_and_is_told(url: str) -> None:
    """The second one reads what the first one's transaction holds, not what was there before it."""
    store, database = SqlStore.open(url), Database(parse_url(url))
    begin(store, "third")
    begin(store, "fourth")
    added: list[candidates.Added] = []

    def add() -> None:
        added.append(store.add_candidates("fourth", pool((KBR_TWIN, NACL)), ["f"] * 2, {"kept": 2}, compared=()))

    thread = Thread(target=add)
    with database.writing() as connection:
        candidates.add_candidates(connection, "third", pool((KBR,)), ["f"], {}, None)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert added[0].n_new == 0
    assert [c.id for c in added[0].uncompared] == [KBR.content_id]
    assert store.done("fourth", 1, "generate") is None
    assert linked(store, "fourth") == set()
