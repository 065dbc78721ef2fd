"""Schema 2: the multiplicity of a candidate's choice; prototype and credibility of a verdict."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, Integer, Text, text

revision = "2"
down_revision = None


def upgrade() -> None:
    op.add_column("candidate", Column("multiplicity", Integer, nullable=False, server_default=text("1")))
    op.add_column("verdict", Column("flags", Text, nullable=False, server_default=text("'[]'")))
    op.add_column("verdict", Column("analogue", Text))
    op.add_column("verdict", Column("prototype", Text, nullable=False, server_default=text("''")))
    op.add_column("verdict", Column("new_prototype", Boolean, nullable=False, server_default=text("false")))
    op.create_index("ix_verdict_prototype", "verdict", ["prototype"])
