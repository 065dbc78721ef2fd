"""A campaign's context: grown over rounds it is what it would be if built at once, whatever the order of reading."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, references, rocksalt, verification

from gnome_lite.campaign.context import Context
from gnome_lite.config import Generate
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase, Verification
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore

TWIN = rocksalt(3, 9, 4.15)
"""The same crystal as CRYSTALS[0], LiF, in a cell that is a little larger."""


def a_store() -> SqlStore:
    store = SqlStore.in_memory()
    begin(store)
    store.add_candidates("first", pool((*CRYSTALS, TWIN)), ["f"] * 7, {})
    return store


def context_of(store: SqlStore, load: Callable[[], PhaseSet] = references) -> Context:
    parts: Any = SimpleNamespace(
        store=store, verifier=SimpleNamespace(level=LEVEL),
        config=SimpleNamespace(name="first", seed=0, generate=Generate()),
        source=SimpleNamespace(load=load), novelty=CrystalNovelty(), build_hull=build_hull,
        further_parents=SimpleNamespace(crystals=CrystalBatch.empty(), ids=(), skipped={}),
    )  # fmt: skip
    return Context(parts)


def outcome(crystal: Crystal, e_per_atom: float) -> Verification:
    return verification(crystal, e_per_atom * len(crystal))


def test_grown_it_is_what_it_would_be_at_once() -> None:
    store = a_store()
    grown = context_of(store)
    assert len(grown.phases()) == len(references())
    grown.hull()
    for i, crystal in enumerate(CRYSTALS[::-1]):
        store.add_verification("first", 1, outcome(crystal, -2.0 - 0.01 * i))
        grown.phases()
        grown.hull()
    once = context_of(store)
    assert set(grown.phases().ids) == set(once.phases().ids)
    assert grown.hull().id == once.hull().id
    ids = [c.content_id for c in CRYSTALS]
    for a, b in zip(grown.hull().verdicts(ids), once.hull().verdicts(ids), strict=True):
        assert a.decomposition_ev_per_atom == pytest.approx(b.decomposition_ev_per_atom, abs=1e-12)
        assert a.hull_id == b.hull_id
    (crystals, names), (others, other_names) = grown.parents(1), once.parents(1)
    assert names == other_names
    assert [c.content_id for c in crystals] == [c.content_id for c in others]


def test_of_many_parents_each_round_draws_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store()
    for crystal in CRYSTALS:
        store.add_verification("first", 1, outcome(crystal, -3.0))
    every = context_of(store).parents(1)[1]
    monkeypatch.setattr("gnome_lite.campaign.context.PARENTS_AT_MOST", len(every) - 1)
    drawn = [context_of(store).parents(round)[1] for round in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1], "the same again after a kill"
    assert len({tuple(names) for names in drawn}) > 1
    for names in drawn:
        assert len(names) == len(every) - 1
        assert names == [name for name in every if name in names]


def test_what_a_crystal_equals_does_not_depend_on_the_order_of_reading() -> None:
    first, second = sorted((CRYSTALS[0], TWIN), key=lambda c: c.content_id)
    store = a_store()
    grown = context_of(store)
    for crystal in (second, first):  # the one with the later id is read before
        store.add_verification("first", 1, outcome(crystal, -3.0))
        grown.novelty_before(())
    third = rocksalt(3, 9, 4.2)
    for context in (grown, context_of(store)):
        seen = context.novelty_before(()).judge(outcome(third, -3.1), "LiF|cF8_225_a_b")
        assert seen[:2] == (False, first.content_id)


def test_crystals_of_the_round_are_judged_one_after_another() -> None:
    store = a_store()
    for crystal in (CRYSTALS[0], TWIN):
        store.add_verification("first", 1, outcome(crystal, -3.0))
    context = context_of(store)
    round = context.novelty_before({CRYSTALS[0].content_id, TWIN.content_id})
    assert round.judge(outcome(TWIN, -3.0), "LiF|cF8_225_a_b")[:2] == (True, None)
    novel, nearest, prototype, credibility, kind = round.judge(outcome(CRYSTALS[0], -3.0), "LiF|cF8_225_a_b")
    assert (novel, nearest) == (False, TWIN.content_id)
    assert kind is NoveltyKind.FORMULA, "what was verified before is no reference"
    assert prototype == "AB_cF8_225_a_b"
    assert credibility.new_prototype, "until the round is over"
    after = context.novelty_before(())
    assert not after.judge(outcome(rocksalt(11, 9, 4.7), -2.0), "NaF|cF8_225_a_b")[3].new_prototype


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ([], (True, NoveltyKind.FORMULA)),
        ([("reported: a type", "cscl")], (True, NoveltyKind.STRUCTURE)),
        ([("gnome_lite seed, random", "cscl")], (True, NoveltyKind.TO_REPORTED)),
        ([("gnome_lite seed, random", "nacl")], (False, NoveltyKind.TO_REPORTED)),
        ([("gnome_lite seed, random", "nacl"), ("reported: a type", "cscl")], (False, NoveltyKind.TO_REPORTED)),
        ([("gnome_lite seed, random", "nacl"), ("computed here, from reported: a type", "nacl")], (False, None)),
    ],
)
def test_what_is_new_is_told_by_the_references_of_the_formula(
    known: list[tuple[str, str]], told: tuple[bool, NoveltyKind | None]
) -> None:
    structures = {"nacl": TWIN, "cscl": Crystal.make([3, 9], [[0, 0, 0], [0.5] * 3], 2.6 * np.eye(3))}
    more = [Phase(f"more-{i}", structures[s], -9.0, LEVEL, source, "") for i, (source, s) in enumerate(known)]
    store = a_store()
    store.add_verification("first", 1, outcome(CRYSTALS[0], -3.0))
    context = context_of(store, lambda: PhaseSet.make([*references(), *more]))
    seen = context.novelty_before({CRYSTALS[0].content_id}).judge(outcome(CRYSTALS[0], -3.0), "LiF|cF8_225_a_b")
    assert (seen.novel, seen.novelty) == told


def test_fingerprints_that_an_older_store_lacks_are_worked_out_once() -> None:
    store = a_store()
    store.add_verification("first", 1, outcome(CRYSTALS[0], -3.0))
    assert store.verified_batch(LEVEL).fingerprints == ("",)
    assert context_of(store).phases().fingerprints[-1].startswith("LiF|")
    assert store.verified_batch(LEVEL).fingerprints[0].startswith("LiF|")


def test_an_index_can_be_added_to_without_harm() -> None:
    context = context_of(a_store())
    mine = context.index()
    mine.add("x", CRYSTALS[0])
    assert mine.find(TWIN) == "x"
    assert context.index().find(TWIN) is None
