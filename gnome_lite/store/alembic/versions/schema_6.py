"""Schema 6: a checksum in each row, the number that tells who took a campaign's lock last, more orders in indices.

The checksums themselves are written when all versions have run (`opening.migrate`): they cover the columns of the
present schema.
"""

from __future__ import annotations

from typing import Any

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
    op.create_index("ix_candidate_round", "candidate", ["round", "id"])
    op.create_index("ix_candidate_elements", "candidate", ["elements_low", "elements_high", "n_sites", "id"])
    for flag, of in (("latest", []), ("latest_at_level", ["level"]), ("latest_of_campaign", ["campaign", "level"])):
        for name in ("e_form", "decomposition"):
            columns = [*of, f"{name}_ev_per_atom", "candidate_id", "e_above_hull_ev_per_atom", flag]
            where: dict[str, Any] = {"sqlite_where": text(f"{flag} = 1"), "postgresql_where": text(flag)}
            op.create_index(f"ix_verdict_{flag}_{name}", "verdict", columns, **where)
