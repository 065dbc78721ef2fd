"""What each opening compares: a store's file with what the store says of itself, in the same few milliseconds always.

What that cannot find is found row by row as rows are read (`checksums`), or by reading everything (`check`).
"""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import Connection, select, text

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.connection import Database

READ_THROUGH_BYTES = 4 << 20
"""An SQLite file of up to so many bytes is looked through page by page whenever it is opened: some 10 ms."""

_DESCRIPTION = "schema_digest"


def describe(connection: Connection) -> None:
    """Keep in `meta` what tables and indices look like, for `require_whole`."""
    if connection.dialect.name == "sqlite":
        connection.execute(schema.meta.delete().where(schema.meta.c.key == _DESCRIPTION))
        connection.execute(schema.meta.insert().values(key=_DESCRIPTION, value=_description(connection)))


def require_whole(connection: Connection, database: Database) -> None:
    """Refuse a store whose file, tables or indices are not what it says they are.

    Args:
        connection: in a transaction that has read already, so that nobody changes the file meanwhile.
        database: at the present schema.

    Raises:
        StoreError: telling what does not agree.
    """
    if wrong := _unlike(connection, database):
        raise StoreError(
            f"store {database.name} is damaged ({wrong}): restore a backup; `gnome-lite store check` tells more"
        )


def _unlike(connection: Connection, database: Database) -> str:
    """Return what does not agree, "" where all does."""
    if database.on_server:
        return ""
    described = select(schema.meta.c.value).where(schema.meta.c.key == _DESCRIPTION)
    if connection.execute(described).scalar() != _description(connection):
        return "its tables or indices are not those it was made with"
    if database.path is None:
        return ""
    pages, size = (connection.exec_driver_sql(f"PRAGMA {what}").scalar_one() for what in ("page_count", "page_size"))
    found = database.path.stat().st_size
    if found != pages * size:
        return f"the file has {found} bytes, not {pages * size}"
    if found > READ_THROUGH_BYTES:
        return ""
    first = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().first())
    return "" if first == "ok" else " ".join(first.split())


def _description(connection: Connection) -> str:
    """Return the hash of the statements that made our tables and indices; what else lies in the file is not ours."""
    tables = schema.metadata.sorted_tables
    ours = {table.name for table in tables} | {index.name for table in tables for index in table.indexes}
    made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
    text_of_all = "\n".join(sql for name, sql in made if name in ours)
    return blake2b(text_of_all.encode(), digest_size=16).hexdigest()
