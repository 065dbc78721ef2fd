"""One process a campaign, and one a relaxation: locks that their holder's death frees.

On one host (SQLite) the kernel's locks on files beside the store; on PostgreSQL advisory locks of a
connection, which the server frees when the connection goes. Whoever lost it unawares is refused by the `fencing`
number.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection, text

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
def claim(database: Database, level: str, candidate_ids: Iterable[str]) -> Iterator[list[str]]:
    """Those of some candidates that nobody else relaxes at a level; nobody else may until this is left."""
    keys = {_key(f"{level}\n{i}"): i for i in candidate_ids}
    if database.on_server:
        with _session(database) as connection:
            # One after another: in one statement the server might lock more rows than it returns.
            yield [i for key, i in keys.items() if _taken_on_server(connection, key)]
    elif database.path is not None:
        with _open(database.path.with_name(f"{database.path.name}.claims")) as file:
            yield [i for key, i in keys.items() if _byte_taken(file, key)]
    else:
        yield list(keys.values())


@contextmanager
def _open(path: Path) -> Iterator[int]:
    """Open a file whose locks end with this context or this process."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}; check that its directory can be written") from error
    _close_in_forked_children(file)
    try:
        yield file
    finally:
        _held.discard(file)
        os.close(file)


@contextmanager
def _flock(path: Path, campaign: str) -> Iterator[None]:
    with _open(path) as file:
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


def _byte_taken(file: int, place: int) -> bool:
    """Lock one byte of a file, which it need not have, unless another has: no file grows, none is to be removed.

    Of an open file (OFD), not of a process, so that two campaigns of one process exclude each other too.
    """
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, place & (1 << 62) - 1, 1, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, wanted)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _close_in_forked_children(file: int) -> None:
    """A forked worker shares the lock and, should it outlive a killed parent, would keep it: it closes its copy."""
    _held.add(file)
    if not _fork_hook:
        _fork_hook.append(True)
        os.register_at_fork(after_in_child=_close_held)


def _close_held() -> None:
    while _held:
        os.close(_held.pop())


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


@contextmanager
def _session(database: Database) -> Iterator[Connection]:
    """A connection of its own, whose advisory locks end with it."""
    with database.translated(), database.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _taken_on_server(connection: Connection, key: int) -> bool:
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one())


@contextmanager
def _advisory(database: Database, campaign: str) -> Iterator[None]:
    key = _key(campaign)
    with _session(database) as connection:
        if not _taken_on_server(connection, key):
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
