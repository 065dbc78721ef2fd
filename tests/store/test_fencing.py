"""A process that lost a campaign's lock without knowing it is refused; who holds none writes as ever."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, verification
from samples.store_processes import spawn
from sqlalchemy import create_engine, text

from gnome_lite.core.errors import StoreError
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore
from gnome_lite.store.fencing import take_over
from gnome_lite.store.locks import exclusive

IDS = [c.content_id for c in CRYSTALS]

TAKE_OVER = """
    import sys
    from samples.small_campaign import CRYSTALS, verification
    from gnome_lite.store.database import SqlStore
    store = SqlStore.open(sys.argv[1])
    with store.exclusive("first"):
        print("runs", flush=True)
        sys.stdin.readline()
        store.add_verification("first", 1, verification(CRYSTALS[1]))
"""


def taken_over(url: str) -> subprocess.Popen[str]:
    second = spawn(TAKE_OVER, url)
    assert second.stdout is not None
    assert second.stdout.readline() == "runs\n"
    return second


def refused(store: SqlStore) -> None:
    """Whatever the first process tries to write, nothing of it is in the store."""
    lost = pytest.raises(StoreError, match="another process took over campaign 'first': this one stops; nothing was")
    with lost:
        store.add_verification("first", 1, verification(CRYSTALS[0]))
    with lost:
        store.add_candidates("first", pool(CRYSTALS[:2], 2), ["f"] * 2, {"kept": 2})
    with lost:
        store.finish("first", 1, "verify", {"verified": 1})
    with lost:
        store.set_fingerprints({IDS[1]: "moved"}, LEVEL)
    assert store.done("first", 2, "generate") is None
    assert store.done("first", 1, "verify") is None


def ends(second: subprocess.Popen[str]) -> None:
    second.communicate("\n", timeout=60)
    assert second.returncode == 0


def test_a_removed_lock_file_lets_in_a_second_process_and_fences_off_the_first(store: SqlStore) -> None:
    begin(store)
    store.add_candidates("first", pool(), ["f"] * 6, {})
    with store.exclusive("first"):
        store.add_selection("first", 1, IDS, [], {})
        Path(f"{store.name}.first.lock").unlink()
        second = taken_over(store.name)
        refused(store)
        ends(second)
        refused(store)  # also when the second one has ended
    assert [v.candidate_id for v in store.verifications(LEVEL)] == [IDS[1]]
    with store.exclusive("first"):
        store.add_verification("first", 1, verification(CRYSTALS[0]))


@pytest.mark.slow
def test_a_connection_cut_by_the_server_lets_in_a_second_process_and_fences_off_the_first(
    postgres: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = SqlStore.open(postgres)
    begin(store)
    store.add_candidates("first", pool(), ["f"] * 6, {})
    server = create_engine(parse_url(postgres), isolation_level="AUTOCOMMIT")
    with store.exclusive("first"):
        with server.connect() as connection:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            assert connection.execute(text(cut)).scalars().all() == [True]
        store.add_selection("first", 1, IDS, [], {})  # nobody else has begun: its number is still the newest
        second = taken_over(postgres)
        refused(store)
        ends(second)
    assert [v.candidate_id for v in store.verifications(LEVEL)] == [IDS[1]]
    holder = taken_over(postgres)
    holder.kill()
    started = time.monotonic()
    while True:
        try:
            with store.exclusive("first"):
                break
        except StoreError:
            assert time.monotonic() - started < 1.0
            time.sleep(0.02)
    assert time.monotonic() - started < 1.0
    server.dispose()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_nobody_takes_over_in_the_middle_of_a_write(postgres: str) -> None:
    """The writer's transaction holds the number until it has ended; whoever takes the lock waits for that."""
    SqlStore.open(postgres)
    database, other = Database(parse_url(postgres)), Database(parse_url(postgres))

    def take() -> int:
        with other.writing() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '200ms'"))
            return take_over(connection, "second")

    with exclusive(database, "second"), database.writing(), pytest.raises(StoreError, match="lock timeout"):
        take()
    assert take() == 2


def test_who_holds_no_lock_writes_as_ever(store: SqlStore) -> None:
    begin(store)
    memory = SqlStore.in_memory()
    begin(memory)
    with store.exclusive("first"), memory.exclusive("first"):
        other = SqlStore.open(store.name)
        for each in (store, other, memory):
            each.finish("first", 1, "verify", {})
    with sqlite3.connect(store.name) as connection:
        assert connection.execute("SELECT campaign, number FROM fence").fetchall() == [("first", 1)]
    with store.exclusive("first"), store.exclusive("second"):
        store.finish("first", 1, "verify", {})
