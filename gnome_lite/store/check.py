"""Reading all that a store holds, and telling what of it is not as it was written.

Nothing is mended here: what a damaged row once said is in no other place, and a guess would look like a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Table, and_, select

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.checksums import SEALED, in_parts, is_sound, key_of
from gnome_lite.store.codec import decode_crystals
from gnome_lite.store.connection import Database

if TYPE_CHECKING:
    from gnome_lite.pipeline import Progress

RESTORE = "restore a backup"
REINDEX = "run REINDEX in the sqlite3 program, check again"
Part = Callable[[Connection], Iterator["Fault"]]


class Fault(NamedTuple):
    """One thing that is wrong with a store.

    Attributes:
        table: where; "file" for the file itself.
        row: its key, "" where it is not of one row.
        what: is wrong.
        remedy: what to do.
    """

    table: str
    row: str
    what: str
    remedy: str


def check(database: Database, progress: Progress) -> list[Fault]:
    """Return what is wrong with a store, by table and row: its pages, references, checksums, crystals and flags.

    Args:
        database: at the present schema.
        progress: told which part is being read.
    """
    parts: list[tuple[str, Part]] = []
    if not database.on_server:  # a server sees to its own pages and references
        parts += [("file", _pages), ("references", _references)]
    parts += [(table.name, partial(_rows, table=table)) for table in SEALED]
    parts += [("crystal", _proposed), ("verdict", _standing)]
    faults: list[Fault] = []
    for done, (name, part) in enumerate(parts):
        progress("check", done, len(parts), name)
        try:
            with database.reading() as connection:
                faults.extend(part(connection))
        except (StoreError, TypeError, ValueError) as error:  # what lies there cannot even be read as a row
            faults.append(Fault(name, "", f"cannot be read to its end: {error}", RESTORE))
    progress("check", len(parts), len(parts), f"{len(faults)} faults")
    return faults


def _pages(connection: Connection) -> Iterator[Fault]:
    for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars():
        if line != "ok":
            of_index = "index" in line and "Tree" not in line
            yield Fault("file", "", " ".join(line.split()), REINDEX if of_index else RESTORE)


def _references(connection: Connection) -> Iterator[Fault]:
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Fault(table, f"rowid {row}", f"refers to a row of {parent} that is not there", RESTORE)


def _rows(connection: Connection, table: Table) -> Iterator[Fault]:
    for part in in_parts(connection, table):
        for row in part:
            if not is_sound(table, row):
                yield Fault(table.name, key_of(table, row), "is not as it was written", RESTORE)


def _proposed(connection: Connection) -> Iterator[Fault]:
    """Crystals as proposed beside the content hashes that are their ids; what `_rows` tells of is passed over."""
    table, candidate = schema.crystal, schema.candidate
    for part in in_parts(connection, table, table.c.level == schema.PROPOSED):
        sound = [row for row in part if is_sound(table, row)]
        ids = decode_crystals([row["content"] for row in sound]).content_ids
        for row, content_id in zip(sound, ids, strict=True):
            if row["candidate_id"] != content_id:
                yield Fault(table.name, key_of(table, row), f"is the crystal of {content_id}", RESTORE)
    same = and_(table.c.candidate_id == candidate.c.id, table.c.level == schema.PROPOSED)
    without = select(candidate.c.id).outerjoin(table, same).where(table.c.candidate_id.is_(None))
    for i in connection.execute(without).scalars():
        yield Fault(candidate.name, repr(i), "has no crystal as proposed", RESTORE)


def _standing(connection: Connection) -> Iterator[Fault]:
    """Flags of the verdicts that stand, beside those worked out anew from the order of all verdicts."""
    table, owner = schema.verdict.c, schema.campaign.c
    own = dict(connection.execute(select(owner.name, owner.level)).tuples().all())
    columns = (table.serial, table.candidate_id, table.campaign, table.level)
    flags = (table.latest, table.latest_at_level, table.latest_of_campaign)
    last: dict[tuple[str, ...], int] = {}
    rows = connection.execute(select(*columns, *flags).order_by(table.serial)).all()
    keys = [
        (
            ("of all", row.candidate_id) if own.get(row.campaign) == row.level else None,
            ("at level", row.candidate_id, row.level),
            ("of campaign", row.candidate_id, row.level, row.campaign),
        )
        for row in rows
    ]
    for row, of_row in zip(rows, keys, strict=True):
        last |= {key: row.serial for key in of_row if key is not None}
    for row, of_row in zip(rows, keys, strict=True):
        for flag, key, is_set in zip(flags, of_row, row[len(columns) :], strict=True):
            stands = key is not None and last[key] == row.serial
            if stands != is_set:
                what = f"{flag.name} is {is_set}, though it is {'' if stands else 'not '}the last"
                yield Fault("verdict", str(row.serial), what, RESTORE)
