"""Schema 3: what each verdict was issued by, so that verdicts can be issued again between rounds."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Text

revision = "3"
down_revision = "2"


def upgrade() -> None:
    serial = BigInteger().with_variant(Integer, "sqlite")
    op.create_table(
        "judgement",
        Column("serial", serial, primary_key=True, autoincrement=True),
        Column("campaign", String(64), ForeignKey("campaign.name"), nullable=False),
        Column("round", Integer, nullable=False),
        Column("cause", Text, nullable=False),
        Column("hull_id", Text, nullable=False),
        Column("reference_set_id", Text, nullable=False),
        Column("figures", Text, nullable=False),
        Column("issued_at", Text, nullable=False),
    )
    op.create_index("ix_judgement_campaign", "judgement", ["campaign", "round"])
    op.execute(
        "INSERT INTO judgement (campaign, round, cause, hull_id, reference_set_id, figures, issued_at)"
        " SELECT v.campaign, v.round, 'judged', MIN(v.hull_id), c.reference_set_id,"
        " COALESCE(MIN(s.figures), '{}'), COALESCE(MIN(s.finished_at), c.begun_at)"
        " FROM verdict v JOIN campaign c ON c.name = v.campaign"
        " LEFT JOIN stage s ON s.campaign = v.campaign AND s.round = v.round AND s.name = 'judge'"
        " GROUP BY v.campaign, v.round, c.reference_set_id, c.begun_at ORDER BY MIN(v.serial)"
    )
    # Written out: Alembic would add the reference to SQLite's table by copying it.
    kind = "BIGINT" if op.get_bind().dialect.name == "postgresql" else "INTEGER"
    op.execute(f"ALTER TABLE verdict ADD COLUMN judgement {kind} REFERENCES judgement (serial)")
    op.execute(
        "UPDATE verdict SET judgement = (SELECT serial FROM judgement j"
        " WHERE j.campaign = verdict.campaign AND j.round = verdict.round)"
    )
    op.drop_index("uq_verdict", "verdict")
    op.create_index("uq_verdict", "verdict", ["judgement", "candidate_id"], unique=True)
    op.create_index("ix_verdict_campaign", "verdict", ["campaign", "round"])
