"""Schema 4: by how much a candidate was expected to lower the hull."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float

revision = "4"
down_revision = "3"


def upgrade() -> None:
    op.add_column("prediction", Column("expected_improvement_ev_per_atom", Float))
