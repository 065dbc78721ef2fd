"""Schema 6: a checksum in each row, and the number that tells who took a campaign's lock last.

The checksums themselves are written when all versions have run (`opening.migrate`): they cover the columns of the
present schema.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String, text

revision = "6"
down_revision = "5"

_SEALED = (
    "campaign", "stage", "candidate", "crystal", "prediction", "selection", "verification", "judgement", "verdict",
    "model", "report",
)  # fmt: skip


def upgrade() -> None:
    for table in _SEALED:
        op.add_column(table, Column("checksum", BigInteger, nullable=False, server_default=text("0")))
    op.create_table(
        "fence", Column("campaign", String(64), primary_key=True), Column("number", BigInteger, nullable=False)
    )
