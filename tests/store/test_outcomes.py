"""Verifications by level, id, campaign and round, against what was put in; each query by an index."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, prediction, verification
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.store import outcomes
from gnome_lite.store.candidates import unverified
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore

IDS = [c.content_id for c in CRYSTALS]
VERIFIED = sorted(IDS[:4])
"""Of the five that the sample verifies one fails."""


def test_verified_ids_are_the_successes_of_a_level(played: SqlStore) -> None:
    assert played.verified_ids(LEVEL) == VERIFIED
    assert played.verified_ids("another level") == []


def test_verifications_of_some_candidates(played: SqlStore) -> None:
    found = played.verifications(LEVEL, ids=[IDS[4], IDS[0], IDS[5], IDS[0], "gl-nothing"])
    assert [v.candidate_id for v in found] == sorted([IDS[0], IDS[4]])
    assert played.verifications(LEVEL, ids=[]) == []


def test_outcomes_of_a_round_are_in_rank_order(played: SqlStore) -> None:
    assert [v.candidate_id for v in played.outcomes("first", 1)] == IDS[:5]
    assert played.outcomes("first", 2) == played.outcomes("nobody", 1) == []
    # What another campaign verified counts for each that selects it; what is not verified is not there yet.
    begin(played, "second")
    played.add_candidates("second", pool(), ["f"] * 6, {})
    played.add_selection("second", 3, [IDS[5], IDS[3]], [IDS[0]], {})
    assert [v.candidate_id for v in played.outcomes("second", 3)] == [IDS[3], IDS[0]]


def test_each_crystal_is_with_the_prediction_of_the_round_that_selected_it(store: SqlStore) -> None:
    begin(store)
    store.add_candidates("first", pool(), ["f"] * 6, {})
    for round, p, chosen in ((1, 0.6, [1, 0]), (2, 0.7, [3, 2]), (3, 0.8, [4])):
        store.add_predictions("first", round, [prediction(c, p) for c in CRYSTALS], {})
        store.add_selection("first", round, [IDS[i] for i in chosen], [], {})
        for i in chosen:
            store.add_verification("first", round, verification(CRYSTALS[i], -9.0 - i))
    found = store.predicted_and_verified("first", 3)
    assert [(c.id, p.candidate_id, v.candidate_id, p.p_stable) for c, p, v in found] == [
        (IDS[i], IDS[i], IDS[i], p) for i, p in ((1, 0.6), (0, 0.6), (3, 0.7), (2, 0.7))
    ]
    candidate, _, outcome = found[0]
    (whole,) = store.verifications(LEVEL, ids=[IDS[1]])
    assert (outcome.energy_ev, outcome.level, outcome.n_steps) == (whole.energy_ev, LEVEL, whole.n_steps)
    np.testing.assert_array_equal(outcome.crystal.lattice, verification(CRYSTALS[1]).crystal.lattice)
    np.testing.assert_array_equal(candidate.crystal.lattice, CRYSTALS[1].lattice)
    assert math.isnan(candidate.probability)
    assert (candidate.multiplicity, candidate.change, candidate.round) == (2, "Na1+ -> K1+", 1)
    assert store.predicted_and_verified("first", 1) == []


def test_failures_are_no_past_predictions(played: SqlStore) -> None:
    assert [v.candidate_id for *_, v in played.predicted_and_verified("first", 2)] == IDS[:4]


def test_a_batch_holds_the_same_as_the_records(played: SqlStore) -> None:
    batch = played.verified_batch(LEVEL)
    records = played.verifications(LEVEL, ids=batch.ids)
    assert list(batch.ids) == VERIFIED
    expected = CrystalBatch.from_crystals(v.crystal for v in records)
    for name in ("numbers", "frac_coords", "lattices", "offsets"):
        np.testing.assert_array_equal(getattr(batch.crystals, name), getattr(expected, name))
        assert getattr(batch.crystals, name).dtype == getattr(expected, name).dtype
    assert batch.energies_ev.tolist() == [v.energy_ev for v in records]
    assert batch.fingerprints == ("",) * 4
    some = played.verified_batch(LEVEL, [IDS[3], IDS[4], IDS[0]])
    assert some.ids == (IDS[3], IDS[0])
    assert [c.content_id for c in some.crystals] == [verification(CRYSTALS[i]).crystal.content_id for i in (3, 0)]
    for nothing in (played.verified_batch("another level"), played.verified_batch(LEVEL, [])):
        assert (len(nothing), len(nothing.crystals), nothing.energies_ev.shape) == (0, 0, (0,))


def test_fingerprints_are_kept(played: SqlStore) -> None:
    played.set_fingerprints({IDS[0]: "LiF|cF8_225_a_b", IDS[5]: "nobody's"}, LEVEL)
    played.set_fingerprints({IDS[0]: "another level's"}, "another level")
    played.set_fingerprints({}, LEVEL)
    (first, *_) = played.verifications(LEVEL, ids=[IDS[0]])
    assert first.fingerprint == "LiF|cF8_225_a_b"
    assert dict(zip(*(getattr(played.verified_batch(LEVEL), k) for k in ("ids", "fingerprints")), strict=True)) == {
        i: "LiF|cF8_225_a_b" if i == IDS[0] else "" for i in VERIFIED
    }
    played.add_verification("first", 1, replace(verification(CRYSTALS[5]), fingerprint="HfC|cF8_225_a_b"))
    assert played.verifications(LEVEL, ids=[IDS[5]])[0].fingerprint == "HfC|cF8_225_a_b"


def plan_of(store: SqlStore, query: Select[tuple[object, ...]]) -> list[str]:
    """SQLite's plan for a query, a line each step."""
    compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with Database(parse_url(store.name)).reading() as connection:
        return [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (outcomes.verified_ids(LEVEL), "SEARCH verification USING COVERING INDEX ix_verification_level (level=?"),
        (outcomes.outcomes("first", 1, None), "SEARCH selection USING INDEX sqlite_autoindex_selection_1 (campaign=?"),
        (outcomes.outcomes("first", 1, "x"), "SEARCH selection USING INDEX sqlite_autoindex_selection_1 (campaign=?"),
        (
            outcomes.predicted_and_verified("first", 3),
            "SEARCH selection USING INDEX sqlite_autoindex_selection_1 (campaign=? AND level=? AND round<?)",
        ),
        (unverified("first", 2, LEVEL)[0], "SEARCH campaign_candidate USING COVERING INDEX"),
        (unverified("first", 2, LEVEL)[1].limit(9), "SEARCH prediction USING INDEX sqlite_autoindex_prediction_1"),
    ],
)
def test_no_query_looks_through_the_store(played: SqlStore, query: Select[tuple[object, ...]], first: str) -> None:
    plan = plan_of(played, query)
    assert plan[0].startswith(first)
    assert [step for step in plan[1:] if step.startswith("SCAN")] == []
