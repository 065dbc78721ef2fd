"""One process a campaign: a lock that its holder's death frees.

On one host (SQLite) the kernel's flock on a file beside the store; on PostgreSQL an advisory lock of a
connection, which the server frees when the connection goes. Whoever lost it unawares is refused by the `fencing`
number.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import text

from gnome_lite.core.errors import StoreError
from gnome_lite.store.connection import Database
from gnome_lite.store.fencing import take_over

_held: set[int] = set()
_fork_hook: list[bool] = []


@contextmanager
def exclusive(database: Database, campaign: str) -> Iterator[None]:
    """Held until left, or until this process dies; what lies in memory no other process reaches.

    Raises:
        StoreError: naming the process that runs the campaign.
    """
    with _lock(database, campaign):
        with database.writing() as connection:
            number = take_over(connection, campaign)
        database.held[campaign] = number
        try:
            yield
        finally:
            database.held.pop(campaign, None)


def _lock(database: Database, campaign: str) -> AbstractContextManager[None]:
    if database.on_server:
        return _advisory(database, campaign)
    if database.path is not None:
        return _flock(database.path.with_name(f"{database.path.name}.{campaign}.lock"), campaign)
    return nullcontext()


@contextmanager
def _flock(path: Path, campaign: str) -> Iterator[None]:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}; check that its directory can be written") from error
    _close_in_forked_children(file)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            raise _taken(campaign, holder) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # frees it even while a child just forked has its copy open still
    finally:
        _held.discard(file)
        os.close(file)


def _close_in_forked_children(file: int) -> None:
    """A forked worker shares the lock and, should it outlive a killed parent, would keep it: it closes its copy."""
    _held.add(file)
    if not _fork_hook:
        _fork_hook.append(True)
        os.register_at_fork(after_in_child=_close_held)


def _close_held() -> None:
    while _held:
        os.close(_held.pop())


@contextmanager
def _advisory(database: Database, campaign: str) -> Iterator[None]:
    key = int.from_bytes(blake2b(campaign.encode(), digest_size=8).digest(), "big", signed=True)
    with database.translated(), database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
            holder = connection.execute(
                text(
                    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted"
                    " AND l.locktype = 'advisory' AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
                ),
                {"key": key},
            ).scalar()
            raise _taken(campaign, str(holder or "unknown").removeprefix("gnome_lite pid "))
        yield


def _taken(campaign: str, pid: str) -> StoreError:
    return StoreError(f"campaign {campaign!r} is being run by process {pid}: wait for it, or stop it")
