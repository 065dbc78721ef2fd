"""The same store on a real PostgreSQL server, started for the test."""

from __future__ import annotations

import os

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, play_round, pool, prediction

from gnome_lite.core.errors import StoreError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

pytestmark = pytest.mark.slow


def test_a_round_on_postgresql(postgres: str) -> None:
    store = SqlStore.open(postgres)
    begin(store)
    play_round(store, "first")
    play_round(store, "first")
    again = SqlStore.open(postgres, create=False)
    assert sorted(c.formula for c in again.query(Query())) == ["KCl", "LiF", "NaCl", "NaMnF3"]
    assert [c.formula for c in again.query(Query(elements=("Hf",), include_unverified=True, sort="p_stable"))] == [
        "HfC"
    ]
    assert len(again.verifications(LEVEL, "first")) == 5
    assert again.status().campaigns[0].rounds[0].stable == 2
    assert again.show(CRYSTALS[0].content_id[:9]).formula == "LiF"
    assert again.reports("first")[0].hits == 2
    assert [c.id for c in again.unverified("first", 2, LEVEL, 9)] == [CRYSTALS[5].content_id]
    assert again.add_candidates("first", pool(), ["f"] * 6, {}) == 0
    with pytest.raises(StoreError, match="refused a row"):
        again.add_predictions("first", 3, [prediction(CRYSTALS[0], float("nan"))], {})
    refused = pytest.raises(StoreError, match=f"run by process {os.getpid()}")
    with again.exclusive("first"), refused, store.exclusive("first"):
        pass
    with store.exclusive("first"):
        pass


def test_messages_keep_the_password(postgres: str) -> None:
    assert "a-secret-word" not in SqlStore.open(postgres).name
    with pytest.raises(StoreError) as error:
        SqlStore.open(postgres.replace("/postgres", "/nothing-here"), create=False)
    assert "a-secret-word" not in str(error.value)
    assert "\n" not in str(error.value)
