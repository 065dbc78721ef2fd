"""What Alembic executes to run the versions: on the connection, and in the transaction, of `opening`."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import text


def tell_version(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Keep `meta.schema_version` up to date: it is what a gnome_lite older than Alembic looks at."""
    (version,) = step.destination_revision_ids
    ctx.connection.execute(text("UPDATE meta SET value = :v WHERE key = 'schema_version'"), {"v": version})


context.configure(connection=context.config.attributes["connection"], on_version_apply=tell_version)
context.run_migrations()
