"""A checksum in each row of what never changes there: written with the row, compared whenever the row is read.

A disk that flips a bit changes an energy or a campaign's name, and the database takes the new value for the old one.
Which tables have checksums is told by the schema (a column `checksum`); what may change later (`MUTABLE`) is left out.
The numbers are the same on SQLite and PostgreSQL. They find damage, not forgery.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from zlib import crc32

from sqlalchemy import Boolean, Connection, Float, Integer, LargeBinary, RowMapping, Select, Table, bindparam, select

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema

Named = Mapping[str, Any] | RowMapping
"""A row by the names of its columns."""

UNSEALED = 0
"""In rows that were written before there were checksums, until `seal_all`."""

MUTABLE = {
    "verification": {"fingerprint"},
    # Counted up by the database as the row is written.
    "judgement": {"serial"},
    "verdict": {"serial", "latest", "latest_at_level", "latest_of_campaign"},
}
LATER = {"verdict": {"novelty"}}
"""Columns of text that are younger than the checksums: where they hold nothing they do not count, as in older rows."""

SEALED = tuple(table for table in schema.metadata.sorted_tables if "checksum" in table.c)
_ROWS_AT_ONCE = 5000
_NO_INTEGER = -(2**63)


def checksum_of(table: Table, row: Named) -> int:
    """Return the checksum of a row by what stands in it now: 1 to 2^32 - 1.

    Raises:
        TypeError, ValueError, struct.error: if a value is of another kind than its column.
    """
    return _summer(table)(row)


def sealed(table: Table, row: Named) -> dict[str, Any]:
    """Return a row to be written, with its checksum where its table has one."""
    return {**row, "checksum": checksum_of(table, row)} if "checksum" in table.c else dict(row)


def is_sound(table: Table, row: Named) -> bool:
    """Tell whether a row is as it was written."""
    try:
        return bool(row["checksum"] == checksum_of(table, row))
    except (TypeError, ValueError, struct.error):
        return False


def require_sound(table: Table, row: Named) -> None:
    """Refuse a row that is not as it was written.

    Raises:
        StoreError: naming the row.
    """
    if not is_sound(table, row):
        raise damaged(table, row)


def read_sound(
    connection: Connection, table: Table, query: Select[Any], values: Mapping[str, Any] | None = None
) -> Sequence[RowMapping]:
    """Return whole rows of a table, each as it was written.

    Raises:
        StoreError: naming the first that is not.
    """
    found = connection.execute(query, values).mappings().all()
    for row in found:
        require_sound(table, row)
    return found


def damaged(table: Table, row: Named, how: str = "is not as it was written") -> StoreError:
    """Return the error that names a damaged row by its key."""
    return StoreError(
        f"the store is damaged: {table.name} {key_of(table, row)} {how}; "
        "`gnome-lite store check` tells what else is, a backup has it whole"
    )


def lost(table: Table, *key: str | int | None) -> StoreError:
    """Return the error that names a row which others tell of and which is not there."""
    return damaged(table, dict(zip((c.name for c in table.primary_key), key, strict=False)), "is missing")


def key_of(table: Table, row: Named) -> str:
    """Return the primary key of a row in words, as far as the row tells it."""
    return " ".join(repr(row[c.name]) for c in table.primary_key if c.name in row)


def seal_all(connection: Connection) -> None:
    """Give a checksum to every row without one: those of a store that has just been migrated."""
    for table in SEALED:
        keys = [c.name for c in table.primary_key]
        this = table.update().values(checksum=bindparam("of_row"))
        for name in keys:
            this = this.where(table.c[name] == bindparam(f"its_{name}"))
        for rows in in_parts(connection, table, table.c.checksum == UNSEALED):
            found = [{"of_row": checksum_of(table, row)} | {f"its_{name}": row[name] for name in keys} for row in rows]
            connection.execute(this, found)


def in_parts(connection: Connection, table: Table, *where: Any) -> Iterator[list[RowMapping]]:
    """Yield the rows of a table, some thousands at a time."""
    query = select(table).where(*where).execution_options(yield_per=_ROWS_AT_ONCE)
    for rows in connection.execute(query).mappings().partitions():
        yield list(rows)


@cache
def _summer(table: Table) -> Callable[[Named], int]:
    """Return what sums up rows of a table: its numbers as eight bytes each, its texts one after the other."""
    columns = [c for c in table.c if c.name != "checksum" and c.name not in MUTABLE.get(table.name, ())]
    floats = [c.name for c in columns if isinstance(c.type, Float)]
    integers = [c.name for c in columns if isinstance(c.type, (Integer, Boolean))]
    blobs = [c.name for c in columns if isinstance(c.type, LargeBinary)]
    later = sorted(LATER.get(table.name, ()))
    texts = [c.name for c in columns if c.name not in {*floats, *integers, *blobs, *later}]
    pack = struct.Struct(f"<{len(floats)}d{len(integers)}q").pack

    def sum_up(row: Named) -> int:
        # + 0.0: SQLite keeps no sign of zero. A number that is none cannot be stored, so it stands for nothing.
        numbers = [math.nan if (value := row[name]) is None else value + 0.0 for name in floats]
        counts = [_NO_INTEGER if (value := row[name]) is None else value for name in integers]
        words = "\0".join(["\1" if (value := row[name]) is None else value for name in texts])
        words += "".join(f"\0{row[name]}" for name in later if row[name] is not None)
        total = crc32(words.encode("utf-8", "surrogatepass"), crc32(pack(*numbers, *counts)))
        for name in blobs:
            total = crc32(row[name], total)
        return total or 1

    return sum_up
