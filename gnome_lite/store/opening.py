"""Opening a store: making it, refusing what is none or newer, and bringing an older one to the present schema.

A store of an older schema is copied beside itself (SQLite), then Alembic runs what is missing in one transaction, so
a kill leaves it at one schema or the other. Its version stands in `alembic_version` and, for every gnome_lite that is
older than Alembic here, in `meta`.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, func, insert, inspect, literal, select, text

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.checksums import seal_all
from gnome_lite.store.connection import Database
from gnome_lite.store.wholeness import describe, require_whole

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the migration that it runs in a global of its own."""


def open_database(url: URL, create: bool, whole: bool = True) -> Database:
    """Return a database at the present schema.

    Args:
        url: of `connection.parse_url`.
        create: make the store (and its directory) where it does not exist.
        whole: refuse one that is visibly damaged.

    Raises:
        StoreError: if it cannot be opened, does not exist, is newer, is no store, or is damaged.
    """
    database = Database(url)
    path = database.path
    missing = f"there is no store at {database.name}: `gnome-lite run` makes one"
    if path is not None and not path.exists():
        if not create:
            raise StoreError(missing)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make {path.parent} for the store: {error.strerror}; set GNOME_LITE_HOME to another place"
            ) from error
    with database.reading() as connection:
        version = version_of(connection, database.name)
        if version == schema.SCHEMA_VERSION and whole:
            require_whole(connection, database)
    if version == schema.SCHEMA_VERSION:
        return database
    if version is None and not create:
        raise StoreError(missing)
    if version is not None and path is not None:
        back_up(path, version)
    with database.writing() as connection:
        if database.on_server:  # two processes may come at once; SQLite's BEGIN IMMEDIATE has let in only one
            connection.execute(text("SELECT pg_advisory_xact_lock(7300)"))
        version = version_of(connection, database.name)
        if version is None:
            create_tables(connection)
        elif version != schema.SCHEMA_VERSION:
            migrate(connection, version)
    return database


def version_of(connection: Connection, name: str) -> int | None:
    """Return the schema version of a store, None for an empty database.

    Raises:
        StoreError: if it is newer than this gnome_lite, or a database of something else.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "meta" not in tables or "campaign_candidate" not in tables:
        raise StoreError(f"{name} is a database of another program: name another store in GNOME_LITE_DATABASE_URL")
    of_alembic: Any = literal(None)
    if schema.alembic_version.name in tables:
        of_alembic = select(func.max(schema.alembic_version.c.version_num)).scalar_subquery()
    # One statement for both: another process may migrate the store this moment.
    told = select(schema.meta.c.value, of_alembic).where(schema.meta.c.key == "schema_version")
    value, again = connection.execute(told).tuples().one_or_none() or (None, None)
    if value is None or not value.isdecimal():
        raise StoreError(f"store {name} does not tell its schema version: restore its backup")
    version = int(value)
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"store {name} is of schema {version}, this gnome_lite knows {schema.SCHEMA_VERSION}: upgrade gnome_lite"
        )
    if again not in (None, value):
        raise StoreError(f"store {name} is damaged (of schema {value} and of {again}): restore a backup")
    return version


def create_tables(connection: Connection) -> None:
    """Make all tables of the present version in an empty database."""
    schema.metadata.create_all(connection)
    version = str(schema.SCHEMA_VERSION)
    connection.execute(insert(schema.meta).values(key="schema_version", value=version))
    connection.execute(insert(schema.alembic_version).values(version_num=version))
    describe(connection)


def migrate(connection: Connection, version: int) -> None:
    """Bring a store from a version to the present one, within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA cache_spill = ON")  # all that is rewritten may be more than memory holds
    # A store older than Alembic here tells its version in `meta` alone; schema 1 is where Alembic's history begins.
    schema.alembic_version.create(connection, checkfirst=True)
    if version > 1 and connection.execute(select(schema.alembic_version)).first() is None:
        connection.execute(insert(schema.alembic_version).values(version_num=str(version)))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic").replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
    seal_all(connection)
    describe(connection)


def back_up(path: Path, version: int) -> Path:
    """Copy an SQLite file beside itself before it is migrated; an earlier copy of that version is kept."""
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    if not copy.exists():
        partial = copy.with_name(copy.name + ".part")
        shutil.copy2(path, partial)
        partial.replace(copy)
    return copy
