"""Writing rows: by campaign and round, repeatable, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, delete
from sqlalchemy.dialects import postgresql, sqlite

from gnome_lite.store import schema
from gnome_lite.store.codec import to_json


def of(table: Table, campaign: str, round: int) -> tuple[Any, Any]:
    """The conditions of one campaign and round."""
    return table.c.campaign == campaign, table.c.round == round


def insert(connection: Connection, table: Table, found: Sequence[Mapping[str, Any]], ignore: bool = False) -> None:
    """Insert rows; with `ignore` those whose key exists are left as they are."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    if found:
        statement = dialect.insert(table)
        connection.execute(statement.on_conflict_do_nothing() if ignore else statement, [dict(row) for row in found])


def replace(
    connection: Connection, table: Table, campaign: str, round: int, found: Sequence[Mapping[str, Any]]
) -> None:
    """The rows of one campaign and round become these."""
    connection.execute(delete(table).where(*of(table, campaign, round)))
    insert(connection, table, found)


def mark(connection: Connection, campaign: str, round: int, stage: str, figures: Mapping[str, Any]) -> None:
    """A step is done, with these figures."""
    table = schema.stage
    connection.execute(delete(table).where(and_(*of(table, campaign, round), table.c.name == stage)))
    row = {"campaign": campaign, "round": round, "name": stage, "figures": to_json(figures), "finished_at": now()}
    insert(connection, table, [row])


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
