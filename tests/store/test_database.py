"""Records come back as they went in; repeating a step changes nothing; bad numbers never pass.

Covers `rows`, `writes` and `campaigns`.
"""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.small_campaign import (
    CRYSTALS,
    LEVEL,
    begin,
    failed,
    play_round,
    pool,
    prediction,
    references,
    report,
    verdict,
    verification,
)

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.core.records import Failure, ModelRecord
from gnome_lite.store.codec import decode_crystal, decode_crystals, element_masks, encode_crystal, to_json
from gnome_lite.store.database import SqlStore

IDS = [c.content_id for c in CRYSTALS]
FORMULAS = [c.reduced_formula for c in CRYSTALS]


def same(a: Crystal, b: Crystal) -> bool:
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("numbers", "frac_coords", "lattice"))


_CLOCKED = ('INSERT INTO "stage"', 'INSERT INTO "verdict"', 'INSERT INTO "judgement"', 'INSERT INTO "sqlite_sequence"')


def dump(store: SqlStore) -> list[str]:
    """All rows but clock times and serials."""
    with sqlite3.connect(store.name) as connection:
        lines = list(connection.iterdump())
    return [line for line in lines if not line.startswith(_CLOCKED)]


# Round trips


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_crystal_codec_keeps_every_bit(n_atoms: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystal = Crystal.make(rng.integers(1, 119, n_atoms), rng.normal(size=(n_atoms, 3)), rng.normal(size=(3, 3)))
    blob = encode_crystal(crystal)
    assert len(blob) == 26 * n_atoms + 72
    assert same(decode_crystal(blob), crystal)


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 2**32 - 1))
def test_many_crystals_at_once_are_those_of_one_by_one(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    crystals = [Crystal.make(rng.integers(1, 119, n), rng.random((n, 3)), rng.normal(size=(3, 3))) for n in sizes]
    found = decode_crystals([encode_crystal(c) for c in crystals])
    assert len(found) == len(crystals)
    assert all(same(a, b) for a, b in zip(found, crystals, strict=True))


def test_damaged_crystal_is_refused() -> None:
    damaged = encode_crystal(CRYSTALS[0])[:-1]
    with pytest.raises(StoreError, match="damaged"):
        decode_crystal(damaged)
    with pytest.raises(StoreError, match="damaged"):
        decode_crystals([encode_crystal(CRYSTALS[0]), damaged])


@given(st.sets(st.integers(1, 118), min_size=1))
def test_element_masks_tell_all_elements_apart(numbers: set[int]) -> None:
    low, high = element_masks(numbers)
    assert 0 <= low < 2**63
    assert 0 <= high < 2**63
    assert {z for z in range(1, 119) if low & element_masks([z])[0] or high & element_masks([z])[1]} == numbers


def test_candidates_come_back(played: SqlStore) -> None:
    found = played.candidates_with_formulas([FORMULAS[0], FORMULAS[5], "CsI"])
    assert found.keys() == {FORMULAS[0], FORMULAS[5]}
    (candidate,) = found[FORMULAS[0]]
    expected = pool().candidate(0)
    assert same(candidate.crystal, expected.crystal)
    for name in ("id", "parent_id", "generator", "change", "round", "probability", "multiplicity"):
        assert getattr(candidate, name) == getattr(expected, name)
    assert math.isnan(found[FORMULAS[5]][0].probability)


def test_predictions_and_selection_come_back_in_order(played: SqlStore) -> None:
    found = played.predictions("first", 1)
    assert [c.id for c, _ in found] == sorted(IDS)
    assert {p for _, p in found} == {prediction(c, 0.9 - 0.1 * i) for i, c in enumerate(CRYSTALS)}
    assert [(c.id, role) for c, role in played.selected("first", 1)] == [
        *((i, "chosen") for i in IDS[:4]),
        (IDS[4], "control"),
    ]


def test_verifications_come_back(played: SqlStore) -> None:
    found = played.verifications(LEVEL)
    assert [v.candidate_id for v in found] == sorted(IDS[:5])
    good = next(v for v in found if v.candidate_id == IDS[0])
    expected = verification(CRYSTALS[0])
    assert same(good.crystal, expected.crystal)
    assert (good.energy_ev, good.n_steps, good.converged, good.failure) == (-9.0, 12, True, None)
    bad = next(v for v in found if v.candidate_id == IDS[4])
    assert bad.failure is Failure.TIMEOUT
    assert math.isnan(bad.energy_ev)
    assert played.verifications("another level") == []


def test_verdicts_models_and_reports_come_back(played: SqlStore) -> None:
    assert played.verdicts("first", 1)[IDS[0]] == verdict(CRYSTALS[0], 0.0)
    assert played.verdicts("first", 2) == played.verdicts("first", 1) == played.verdicts("first")
    assert played.verdicts("first", 0) == {}
    assert played.reports("first") == [report(1)]
    assert played.base_model("first") == ModelRecord("model-0", "models/0", 90, 10, 0.05)
    assert played.base_model("other") is None


def test_the_model_in_force_is_the_last_promoted_one(store: SqlStore) -> None:
    begin(store)
    for round, promoted in ((1, True), (2, False), (3, True)):
        store.add_model("first", round, ModelRecord(f"model-{round}", "p", 1, 0, math.nan, promoted), {})
    assert [store.model("first", r).id for r in (1, 2, 3, 4)] == ["model-0", "model-1", "model-1", "model-3"]
    assert math.isnan(store.model("first", 2).holdout_mae_ev_per_atom)
    with pytest.raises(StoreError, match="no model of campaign 'other'"):
        store.model("other", 1)


def test_it_all_survives_reopening(played: SqlStore) -> None:
    again = SqlStore.open(played.name, create=False)
    assert dump(again) == dump(played)
    assert len(again.verifications(LEVEL, "first")) == 5


# Steps


def test_rows_and_mark_come_together(played: SqlStore) -> None:
    for stage in ("generate", "predict", "acquire", "verify", "judge", "learn"):
        assert played.done("first", 1, stage) is not None
        assert played.done("first", 2, stage) is None
    assert played.done("first", 1, "generate") == {"kept": 6}


def test_finish_renews_the_figures(played: SqlStore) -> None:
    played.finish("first", 1, "generate", {"kept": 6, "seconds": np.float64(2.5), "rate": math.nan})
    assert played.done("first", 1, "generate") == {"kept": 6, "seconds": 2.5, "rate": None}


def test_a_refused_row_leaves_no_mark(store: SqlStore) -> None:
    begin(store)
    store.add_candidates("first", pool(), ["f"] * 6, {})
    good, bad = prediction(CRYSTALS[0], 0.5), prediction(CRYSTALS[1], 1.5)
    with pytest.raises(StoreError, match="refused a row"):
        store.add_predictions("first", 1, [good, bad], {})
    assert store.predictions("first", 1) == []
    assert store.done("first", 1, "predict") is None


def test_repeating_a_round_gives_the_same_rows(played: SqlStore) -> None:
    before, verdicts = dump(played), played.verdicts("first", 1)
    play_round(played, "first")
    assert dump(played) == before
    assert played.verdicts("first", 1) == verdicts


def test_of_two_verifications_the_first_is_kept(played: SqlStore) -> None:
    played.add_verification("first", 1, verification(CRYSTALS[0], -99.0))
    assert next(v for v in played.verifications(LEVEL) if v.candidate_id == IDS[0]).energy_ev == -9.0


@pytest.mark.parametrize(
    "changed",
    [
        {"energy_ev": math.nan},
        {"energy_ev": -math.inf},
        {"energy_ev": -1e12},
        {"max_force_ev_per_ang": math.nan},
        {"crystal": Crystal(CRYSTALS[5].numbers, CRYSTALS[5].frac_coords, np.zeros((3, 3)))},
        {"crystal": Crystal(CRYSTALS[5].numbers, CRYSTALS[5].frac_coords * math.nan, CRYSTALS[5].lattice)},
    ],
)
def test_nothing_non_finite_is_stored_as_a_success(played: SqlStore, changed: dict[str, object]) -> None:
    played.add_verification("first", 1, verification(CRYSTALS[5], **changed))
    stored = next(v for v in played.verifications(LEVEL) if v.candidate_id == IDS[5])
    assert stored.failure is Failure.NON_FINITE


def test_the_schema_itself_refuses_an_energy_that_is_missing(played: SqlStore) -> None:
    with sqlite3.connect(played.name) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE verification SET energy_ev = NULL WHERE failure IS NULL")
    with sqlite3.connect(played.name) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE verdict SET e_above_hull_ev_per_atom = -1")


def test_json_refuses_what_is_none() -> None:
    with pytest.raises(StoreError, match="not JSON"):
        to_json({"x": object()})


# What to predict next


def test_unverified_are_this_rounds_and_the_best_older_ones(store: SqlStore) -> None:
    begin(store)
    store.add_candidates("first", pool(CRYSTALS[:4]), ["f"] * 4, {})
    first = [prediction(c, p) for c, p in zip(CRYSTALS, (0.1, 0.9, 0.5, 0.7), strict=False)]
    store.add_predictions("first", 1, first, {})
    store.add_selection("first", 1, [IDS[1]], [], {})
    store.add_verification("first", 1, verification(CRYSTALS[1]))
    store.add_candidates("first", pool(CRYSTALS[4:], 2), ["f"] * 2, {})
    assert [c.id for c in store.unverified("first", 2, LEVEL, 0)] == sorted(IDS[4:])
    assert [c.id for c in store.unverified("first", 2, LEVEL, 2)] == sorted([IDS[2], IDS[3], *IDS[4:]])
    assert [c.id for c in store.unverified("first", 2, LEVEL, 9)] == sorted([IDS[0], IDS[2], IDS[3], *IDS[4:]])
    assert len(store.unverified("first", 2, "another level", 9)) == 6
    # The latest prediction counts: round 2 turns the order of two older ones around.
    store.add_predictions("first", 2, [prediction(CRYSTALS[0], 0.95), prediction(CRYSTALS[3], 0.01)], {})
    assert [c.id for c in store.unverified("first", 3, LEVEL, 2)] == sorted([IDS[0], IDS[2]])
    # Asked again for round 2, its own predictions do not count.
    assert [c.id for c in store.unverified("first", 2, LEVEL, 2)] == sorted([IDS[2], IDS[3], *IDS[4:]])


# Two campaigns


def test_campaigns_share_candidates_and_verifications(played: SqlStore) -> None:
    begin(played, "second", seed=7)
    assert played.add_candidates("second", pool(CRYSTALS[:2]), ["f0", "f1"], {}).n_new == 0
    assert played.verifications(LEVEL, "second") == []
    played.add_selection("second", 1, [IDS[0]], [], {})
    assert [v.candidate_id for v in played.verifications(LEVEL, "second")] == [IDS[0]]
    assert played.unverified("second", 1, LEVEL, 0) == []
    assert len(played.candidates_with_formulas([FORMULAS[0]])[FORMULAS[0]]) == 1


def test_begin_refuses_other_settings_by_name(store: SqlStore) -> None:
    config = begin(store)
    store.begin(config.model_copy(update={"rounds": 9}), references())
    with pytest.raises(ConfigError, match=r"rounds = 9, not 3"):
        store.begin(config, references())
    grown = config.model_copy(update={"rounds": 9})
    with pytest.raises(ConfigError, match=r"seed = 0, not 5"):
        store.begin(grown.model_copy(update={"seed": 5}), references())
    narrower = grown.model_copy(update={"verify": grown.verify.model_copy(update={"max_steps": 7})})
    with pytest.raises(ConfigError, match=rf"verify\.max_steps = {config.verify.max_steps}, not 7"):
        store.begin(narrower, references())
    store.begin(grown.model_copy(update={"verify": grown.verify.model_copy(update={"processes": 4})}), references())
    with pytest.raises(ConfigError, match="reference set"):
        store.begin(grown, references(shift=0.1))


def test_a_failed_crystal_counts_as_verified(played: SqlStore) -> None:
    assert failed(CRYSTALS[4]).failure is Failure.TIMEOUT
    assert IDS[4] not in {c.id for c in played.unverified("first", 1, LEVEL, 9)}
