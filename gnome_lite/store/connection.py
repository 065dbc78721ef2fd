"""Engine and transactions: SQLite made safe, PostgreSQL by URL, database errors in one line.

SQLite runs with a rollback journal, not WAL: the SQLite 3.40 of many Pythons can corrupt a WAL store that has
several writers. Writers take their lock at once (BEGIN IMMEDIATE): a transaction that reads first and writes
later fails as soon as two processes do so. Readers look every millisecond whether a writer has let go of the file:
SQLite itself waits ever longer between its looks, and meets the next writer. Writers keep what they have changed in
memory until they commit: written out before, it would shut out readers until then. A connection is kept for the next
transaction as long as nobody else touches the file; a changed or exchanged one is opened anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from gnome_lite.core.errors import StoreError
from gnome_lite.store.fencing import require_newest

BUSY_TIMEOUT_S = 30
_LOOK_EVERY_S = 0.001
T = TypeVar("T")
_WRITES = "gnome_lite_writes"
MEMORY = URL.create("sqlite", database=":memory:")
"""A database that lives as long as the `Database` does; replays and tests run on it."""


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Values in lists short enough for one statement."""
    iterator = iter(values)
    while chunk := list(islice(iterator, 500)):
        yield chunk


def parse_url(url: str | Path) -> URL:
    """An SQLAlchemy URL of an SQLite file or a PostgreSQL database; a bare path is an SQLite file.

    Raises:
        StoreError: for another database or no URL at all.
    """
    try:
        parsed = make_url(url) if isinstance(url, str) and "://" in url else URL.create("sqlite", database=str(url))
    except (ArgumentError, ValueError) as error:
        raise StoreError("the database URL cannot be read: write sqlite:///path or postgresql://...") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("a store in memory is lost at once: name a file, e.g. sqlite:///data/local/store.sqlite")
        return parsed
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(f"no store in a {backend} database: choose sqlite:///path or postgresql://...")


def display_name(url: URL) -> str:
    """The store as messages name it: the path of a file, a URL without its password, which may stand in its query."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


class Database:
    """One database: `reading()` and `writing()` are its transactions.

    Attributes:
        path: of the SQLite file; None on a server or in memory.
        on_server: PostgreSQL.
        held: the fencing number of each campaign whose lock this object holds.
    """

    def __init__(self, url: URL) -> None:
        self.name = "in memory" if url == MEMORY else display_name(url)
        self.on_server = url.get_backend_name() != "sqlite"
        self.path = None if self.on_server or url == MEMORY else Path(str(url.database))
        # What lies in memory has one connection, which threads take turns with.
        self._turn: AbstractContextManager[Any] = threading.RLock() if url == MEMORY else nullcontext()
        self.held: dict[str, int] = {}
        self.engine = self._engine(url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Committed on leaving without an exception, else rolled back.

        Raises:
            StoreError: if another process has taken over a campaign whose lock this object held.
        """
        with self._transaction(writes=True) as connection:
            require_newest(connection, self.held)
            yield connection

    @contextmanager
    def _transaction(self, writes: bool) -> Iterator[Connection]:
        with self._turn, self.translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: writes})
            with connection.begin():
                yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Database errors leave as StoreError."""
        try:
            yield
        except IntegrityError as error:
            raise StoreError(f"store {self.name} refused a row: {_first_line(error)}") from error
        except DBAPIError as error:
            raise StoreError(f"store {self.name}: {_first_line(error)}{_remedy(str(error.orig))}") from error
        except SQLAlchemyError as error:
            raise StoreError(f"store {self.name}: {_first_line(error)}") from error
        except sqlite3.Error as error:  # of `_begin_sqlite`
            raise StoreError(f"store {self.name}: {error}{_remedy(str(error))}") from error
        except UnicodeDecodeError as error:  # the driver cannot even say what is wrong with the file
            raise StoreError(f"store {self.name} holds no text where there was some{_remedy('malformed')}") from error

    def _engine(self, url: URL) -> Engine:
        try:
            if self.on_server:
                # The process is told by name, so that whoever waits for its lock can be told too.
                arguments: dict[str, Any] = {"application_name": f"gnome_lite pid {os.getpid()}"}
                return create_engine(url, poolclass=NullPool, connect_args=arguments)
            arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
            if self.path is None:
                engine = create_engine(url, poolclass=StaticPool, connect_args=arguments)
            else:
                engine = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args=arguments)
                event.listen(engine, "checkin", partial(_remember, self.path))
                event.listen(engine, "checkout", partial(_require_untouched, self.path))
        except ModuleNotFoundError as error:
            raise StoreError(f"{error.name} is missing: pip install 'gnome-lite[postgres]'") from error
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's own
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "cache_spill = OFF", "automatic_index = OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _state(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, or when another one takes its place, or this process is a forked one."""
    try:
        found = path.stat()
    except OSError:
        return (os.getpid(),)
    return os.getpid(), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _remember(path: Path, connection: Any, record: Any) -> None:
    record.info["left"] = _state(path)


def _require_untouched(path: Path, connection: Any, record: Any, fairy: Any) -> None:
    if record.info.get("left", _state(path)) != _state(path):
        raise DisconnectionError  # the pool makes another one


def _begin_sqlite(connection: Connection) -> None:
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    if connection.get_execution_options().get(_WRITES, False):
        source.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        source.execute("BEGIN IMMEDIATE")
        return
    source.execute("PRAGMA busy_timeout = 0")
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # from here on no writer is in the way
            return
        except sqlite3.OperationalError as error:
            source.rollback()
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_EVERY_S)


def _first_line(error: SQLAlchemyError) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).strip().split("\n")[0]


def _remedy(message: str) -> str:
    for sign, remedy in (
        ("locked", f" for {BUSY_TIMEOUT_S} s: another process writes to it, wait or stop it"),
        ("unable to open", ": check that its directory exists and can be written"),
        ("readonly", ": give yourself write permission or name another store in GNOME_LITE_DATABASE_URL"),
        ("full", ": free some disk space, nothing was half-written"),
        ("disk I/O", ": check the disk, nothing was half-written"),
        ("not a database", ": name another store in GNOME_LITE_DATABASE_URL"),
        ("malformed", ": the file is damaged, restore a backup"),
        ("connection", ": check that the server runs and GNOME_LITE_DATABASE_URL names it"),
    ):
        if sign in message:
            return remedy
    return ""
