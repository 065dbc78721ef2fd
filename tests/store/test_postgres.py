"""The same store on a real PostgreSQL server, started for the test."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from samples.small_campaign import CRYSTALS, LEVEL, begin, higher, play_round, pool, prediction
from sqlalchemy import Boolean, Connection, create_engine, text

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import SORTS, Query

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
    assert again.add_candidates("first", pool(), ["f"] * 6, {}).n_new == 0
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


def test_levels_and_orders_on_postgresql(postgres: str) -> None:
    store = SqlStore.open(postgres)
    begin(store, "ladder")
    play_round(store, "ladder")
    found = higher(store, "ladder")
    assert store.verdicts("ladder", level=found.level) == {CRYSTALS[0].content_id: found}
    assert [c.level for c in store.query(level="higher", campaign="ladder")] == [found.level]
    assert [v.candidate_id for v in store.outcomes("ladder", 1)] == [c.content_id for c in CRYSTALS[:5]]
    assert len(store.predicted_and_verified("ladder", 2)) == len(store.verified_batch(LEVEL)) == 4
    store.set_fingerprints({CRYSTALS[0].content_id: "LiF|cF8_225_a_b"}, LEVEL)
    assert store.verifications(LEVEL, ids=store.verified_ids(LEVEL)[:2])
    for sort, unverified, campaign in product(SORTS, (False, True), (None, "ladder")):
        hits = store.query(sort=sort, include_unverified=unverified, campaign=campaign)
        assert len({c.id for c in hits}) == len(hits) == (6 if unverified else 4)
    assert store.status().campaigns[-1].levels[0].verified == 1
    assert store.show(CRYSTALS[0].content_id).standing[found.level].verdict == found
    store.add_verdicts("ladder", 1, [], {}, found.level)
    assert store.verdicts("ladder", level=found.level) == {}


def test_a_store_of_schema_4_migrates_on_postgresql(postgres: str) -> None:
    """The tables of schema 4 as SQLite's sample has them, on the server."""
    url = parse_url(postgres).set(database="old")
    server = create_engine(parse_url(postgres), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE old"))
    server.dispose()
    with create_engine(url).begin() as connection, closing(sqlite3.connect(":memory:")) as sample:
        sample.executescript((Path(__file__).parent / "schema_4.sql").read_text(encoding="utf-8"))
        _copy(sample, connection)
    store = SqlStore.open(url.render_as_string(hide_password=False), create=False)
    assert store.status().schema_version == 7
    r2scan = "chgnet-r2scan-0.3.0"
    assert {v.e_above_hull_ev_per_atom for v in store.verdicts("first", level=r2scan).values()} == {0.0, 0.05}
    assert len(store.selected("first", 1, r2scan)) == 3
    with Database(url).reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.metadata)
    assert differences == []


def _copy(sample: sqlite3.Connection, connection: Connection) -> None:
    """Tables, rows and indices of an SQLite database, in the words of PostgreSQL."""
    names = ("meta", "campaign", "candidate", "crystal", "stage", "campaign_candidate", "prediction", "selection")
    for name in (*names, "verification", "judgement", "verdict", "model", "report"):
        (made,) = sample.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        serial = name in ("judgement", "verdict")
        made = made.replace("serial INTEGER NOT NULL", "serial BIGSERIAL NOT NULL") if serial else made
        for ours, theirs in (("BLOB", "BYTEA"), ("judgement INTEGER", "judgement BIGINT")):
            made = made.replace(ours, theirs)
        connection.exec_driver_sql(made.replace("%", "%%"))
        cursor = sample.execute(f"SELECT * FROM {name}")
        columns = [column[0] for column in cursor.description]
        flags = [c.name for c in schema.metadata.tables[name].c if isinstance(c.type, Boolean)]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor]
        rows = [{k: bool(v) if k in flags else v for k, v in row.items()} for row in rows]
        if rows:
            values = ", ".join(f":{column}" for column in columns)
            connection.execute(text(f"INSERT INTO {name} VALUES ({values})"), rows)
        if serial:
            connection.exec_driver_sql(f"SELECT setval('{name}_serial_seq', (SELECT max(serial) FROM {name}))")
    for (made,) in sample.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"):
        connection.exec_driver_sql(made.replace("= 1", ""))
