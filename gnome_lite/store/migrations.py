"""The schema's version, and the way from an older one to this one.

A store of an older version is copied beside itself (SQLite), then each missing step runs in one transaction with
its new version number, so a kill leaves it at one version or the other. A store of a newer version is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text, update

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema

Migration = Callable[[Connection], None]


def _add_credibility(connection: Connection) -> None:
    """1 -> 2: the multiplicity of a candidate's choice; prototype and credibility of a verdict."""
    for table, column in (
        ("candidate", "multiplicity INTEGER NOT NULL DEFAULT 1"),
        ("verdict", "flags TEXT NOT NULL DEFAULT '[]'"),
        ("verdict", "analogue TEXT"),
        ("verdict", "prototype TEXT NOT NULL DEFAULT ''"),
        ("verdict", "new_prototype BOOLEAN NOT NULL DEFAULT false"),
    ):
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column}"))
    connection.execute(text("CREATE INDEX ix_verdict_prototype ON verdict (prototype)"))


def _add_judgements(connection: Connection) -> None:
    """2 -> 3: what each verdict was issued by, so that verdicts can be issued again between rounds."""
    schema.judgement.create(connection)
    connection.execute(
        text(
            "INSERT INTO judgement (campaign, round, cause, hull_id, reference_set_id, figures, issued_at)"
            " SELECT v.campaign, v.round, 'judged', MIN(v.hull_id), c.reference_set_id,"
            " COALESCE(MIN(s.figures), '{}'), COALESCE(MIN(s.finished_at), c.begun_at)"
            " FROM verdict v JOIN campaign c ON c.name = v.campaign"
            " LEFT JOIN stage s ON s.campaign = v.campaign AND s.round = v.round AND s.name = 'judge'"
            " GROUP BY v.campaign, v.round, c.reference_set_id, c.begun_at ORDER BY MIN(v.serial)"
        )
    )
    kind = "BIGINT" if connection.dialect.name == "postgresql" else "INTEGER"
    for statement in (
        f"ALTER TABLE verdict ADD COLUMN judgement {kind} REFERENCES judgement (serial)",
        "UPDATE verdict SET judgement = (SELECT serial FROM judgement j"
        " WHERE j.campaign = verdict.campaign AND j.round = verdict.round)",
        "DROP INDEX uq_verdict",
        "CREATE UNIQUE INDEX uq_verdict ON verdict (judgement, candidate_id)",
        "CREATE INDEX ix_verdict_campaign ON verdict (campaign, round)",
    ):
        connection.execute(text(statement))


def _add_expected_improvement(connection: Connection) -> None:
    """3 -> 4: by how much a candidate was expected to lower the hull."""
    kind = "DOUBLE PRECISION" if connection.dialect.name == "postgresql" else "FLOAT"
    connection.execute(text(f"ALTER TABLE prediction ADD COLUMN expected_improvement_ev_per_atom {kind}"))


MIGRATIONS: list[Migration] = [_add_credibility, _add_judgements, _add_expected_improvement]
"""MIGRATIONS[i] takes schema i + 1 to schema i + 2."""


def version_of(connection: Connection, name: str) -> int | None:
    """Schema version of the store, None for an empty database.

    Raises:
        StoreError: if it is newer than this gnome_lite, or a database of something else.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "meta" not in tables or "campaign_candidate" not in tables:
        raise StoreError(f"{name} is a database of another program: name another store in GNOME_LITE_DATABASE_URL")
    value = connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")
    ).scalar_one_or_none()
    if value is None or not value.isdigit():
        raise StoreError(f"store {name} does not tell its schema version: restore its backup")
    version = int(value)
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"store {name} is of schema {version}, this gnome_lite knows {schema.SCHEMA_VERSION}: upgrade gnome_lite"
        )
    return version


def create(connection: Connection) -> None:
    """All tables of the present version in an empty database."""
    schema.metadata.create_all(connection)
    connection.execute(insert(schema.meta).values(key="schema_version", value=str(schema.SCHEMA_VERSION)))


def migrate(connection: Connection, version: int) -> None:
    """Run the steps from a version to the present one, within the connection's transaction."""
    for number, step in enumerate(MIGRATIONS[version - 1 :], start=version + 1):
        step(connection)
        connection.execute(update(schema.meta).where(schema.meta.c.key == "schema_version").values(value=str(number)))


def back_up(path: Path, version: int) -> Path:
    """Copy an SQLite file beside itself before it is migrated; an earlier copy of that version is kept."""
    copy = path.with_name(f"{path.name}.schema-{version}.bak")
    if not copy.exists():
        partial = copy.with_name(copy.name + ".part")
        shutil.copy2(path, partial)
        partial.replace(copy)
    return copy
