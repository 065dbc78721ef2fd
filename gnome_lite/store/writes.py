"""Writing rows: by campaign and round, repeatable, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects import sqlite

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.checksums import require_sound, sealed
from gnome_lite.store.codec import to_json

clock: Callable[[], float] = time.time
"""Seconds since 1970. Times are told to people; which row is later, or who holds a campaign, must not rest on them."""


def of(table: Table, campaign: str, round: int) -> tuple[Any, Any]:
    """The conditions of one campaign and round."""
    return table.c.campaign == campaign, table.c.round == round


def at(table: Table, campaign: str, level: str | None) -> tuple[Any, Any]:
    """The conditions of one campaign and a level, None = the campaign's own."""
    own = select(schema.campaign.c.level).where(schema.campaign.c.name == campaign).scalar_subquery()
    return table.c.campaign == campaign, table.c.level == (own if level is None else level)


def own_level(connection: Connection, campaign: str) -> str:
    """Return the level that a campaign verifies at.

    Raises:
        StoreError: if there is no such campaign.
    """
    table = schema.campaign
    level = connection.execute(select(table.c.level).where(table.c.name == campaign)).scalar_one_or_none()
    if level is None:
        raise StoreError(f"the store has no campaign {campaign!r}: `gnome-lite status` lists its campaigns")
    return str(level)


def insert(connection: Connection, table: Table, found: Sequence[Mapping[str, Any]], ignore: bool = False) -> None:
    """Insert rows; with `ignore` those whose key exists are left as they are."""
    if not found:
        return
    if connection.dialect.name == "sqlite":
        statement: Any = sqlite.insert(table)
    else:
        from sqlalchemy.dialects import postgresql  # a fifth of a command's start

        statement = postgresql.insert(table)
    connection.execute(
        statement.on_conflict_do_nothing() if ignore else statement, [sealed(table, row) for row in found]
    )


def change_campaign(connection: Connection, campaign: str, **values: Any) -> None:
    """Give a recorded campaign other values, and its row the checksum of them."""
    table = schema.campaign
    its = table.c.name == campaign
    row = connection.execute(select(table).where(its)).mappings().one()
    require_sound(table, row)
    connection.execute(table.update().where(its).values(**sealed(table, dict(row) | values)))


def replace(
    connection: Connection, table: Table, campaign: str, round: int, found: Sequence[Mapping[str, Any]]
) -> None:
    """The rows of one campaign and round become these."""
    connection.execute(delete(table).where(*of(table, campaign, round)))
    insert(connection, table, found)


def write_selection(
    connection: Connection,
    campaign: str,
    round: int,
    chosen: Sequence[str],
    control: Sequence[str],
    figures: Mapping[str, Any],
    level: str | None,
) -> None:
    """The selection of a round at a level becomes this, best first."""
    table, own = schema.selection, own_level(connection, campaign)
    level = own if level is None else level
    role = dict.fromkeys(control, "control") | dict.fromkeys(chosen, "chosen")
    row = {"campaign": campaign, "level": level, "round": round}
    connection.execute(delete(table).where(*at(table, campaign, level), table.c.round == round))
    ranked = enumerate(dict.fromkeys([*chosen, *control]))
    insert(connection, table, [row | {"candidate_id": i, "rank": rank, "role": role[i]} for rank, i in ranked])
    mark(connection, campaign, round, "acquire" if level == own else f"acquire {level}", figures)


def mark(connection: Connection, campaign: str, round: int, stage: str, figures: Mapping[str, Any]) -> None:
    """Mark a step as done, with these figures."""
    table = schema.stage
    connection.execute(delete(table).where(*of(table, campaign, round), table.c.name == stage))
    before = connection.execute(select(func.max(table.c.finished_at)).where(table.c.campaign == campaign)).scalar()
    row = {"campaign": campaign, "round": round, "name": stage, "figures": to_json(figures), "finished_at": now(before)}
    insert(connection, table, [row])


def now(before: str | None = None) -> str:
    """UTC, ISO 8601; later than a time before, should the clock have been set back: steps are told in this order."""
    time = datetime.fromtimestamp(clock(), UTC)
    if before is not None:
        time = max(time, datetime.fromisoformat(before) + timedelta(milliseconds=1))
    return time.isoformat(timespec="milliseconds")
