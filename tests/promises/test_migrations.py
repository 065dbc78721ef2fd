"""Promise 11: a store of any older schema, killed anywhere in its migration, is of one schema or the other."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from samples.forked import Tell, told
from soak import counted
from sqlalchemy import Engine, event

from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query
from gnome_lite.store.schema import SCHEMA_VERSION

FOLDER = Path(__file__).parents[1] / "store"
SAMPLES = {int(re.sub(r"\D", "", path.stem)): path for path in sorted(FOLDER.glob("schema_*.sql"))}
WRITES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")
FULL = 200


def old_store(version: int, path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.executescript(SAMPLES[version].read_text(encoding="utf-8"))
    return path


def migrate(path: Path, statements: int) -> int:
    """Open a store in a process that dies before the statement after so many; return its exit status."""
    left = [statements]

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        left[0] -= statement.lstrip().upper().startswith(WRITES)
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def open_it(tell: Tell) -> None:
        event.listen(Engine, "before_cursor_execute", count)
        SqlStore.open(path)
        tell(str(statements - left[0]))

    status, said = told(open_it)
    assert status in (0, -signal.SIGKILL)
    assert status or said[0].isdigit(), said
    return status


def contents(path: Path) -> tuple[Any, ...]:
    store = SqlStore.open(path, create=False)
    status = store.status()
    hits = store.query(Query(include_unverified=True))
    return (
        status.schema_version,
        status.campaigns,
        [(h.id, h.formula, h.e_above_hull_ev_per_atom, h.p_stable) for h in hits],
    )


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[int, tuple[Any, ...]]]:
    """Of each version: how many statements its migration writes with, and what the store then holds."""
    known = {}
    for version in SAMPLES:
        path = old_store(version, tmp_path_factory.mktemp("old") / "store.sqlite")
        n = 0

        def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            nonlocal n
            n += statement.lstrip().upper().startswith(WRITES)

        event.listen(Engine, "before_cursor_execute", count)
        found = contents(path)
        event.remove(Engine, "before_cursor_execute", count)
        known[version] = n, found
    return known


def test_there_is_a_store_of_every_older_schema() -> None:
    """Promise 11: a fixture per schema version."""
    assert list(SAMPLES) == list(range(1, SCHEMA_VERSION))


@counted(4, FULL, "kills")
def test_killed_while_migrating(
    migrated: dict[int, tuple[int, tuple[Any, ...]]], tmp_path: Path, trials: range
) -> None:
    """Promise 11: migrations killed before each of their statements, from every older schema."""
    for trial in trials:
        version = list(SAMPLES)[trial % len(SAMPLES)]
        n, expected = migrated[version]
        path = old_store(version, tmp_path / f"{trial}.sqlite")
        before = path.read_bytes()
        assert migrate(path, (trial // len(SAMPLES) * len(SAMPLES) * n // FULL + trial) % n) == -signal.SIGKILL
        backup = path.with_name(f"{path.name}.schema-{version}.bak")
        assert backup.read_bytes() == before
        with sqlite3.connect(path) as connection:  # rolls back what the journal holds
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            told = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        assert int(told[0]) == version
        assert contents(path) == expected
        path.unlink()
