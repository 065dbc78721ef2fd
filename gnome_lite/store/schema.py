"""Tables of the store at the present version; `alembic/versions` holds the way from older ones.

Every number that must exist is NOT NULL and bounded by a CHECK: NaN becomes NULL in SQLite and compares as the
greatest number in PostgreSQL, so neither can pass for an energy. Crystals lie in a table of their own, which
keeps the rows that queries scan small.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

SCHEMA_VERSION = 7

ENERGY_LIMIT_EV = 1e9
"""No cell of any calculator has an energy beyond this; infinity is."""

PROPOSED = ""
"""`crystal.level` of a candidate as it was proposed; any other is the level it was relaxed at."""

metadata = MetaData()

# A serial primary key must be INTEGER, not BIGINT, to count up by itself in SQLite.
_Serial = BigInteger().with_variant(Integer, "sqlite")


def _within(column: str, low: float, high: float) -> CheckConstraint:
    return CheckConstraint(f"{column} IS NULL OR ({column} >= {low!r} AND {column} <= {high!r})")


class _Content(LargeBinary):
    """Bytes as the driver gives them: damage makes text of them, which is told by the checksum, not by a TypeError."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


def _checksum() -> Column[int]:
    """Of what never changes in a row; `checksums` writes and compares it."""
    return Column("checksum", BigInteger, nullable=False, server_default=text("0"))


def _last(flag: str, *of: str) -> tuple[Index, ...]:
    """Verdicts that stand, in the order of each energy that queries sort by; the first has all of them.

    Migrations make them, for PostgreSQL with the same condition; named here it would load that dialect at every start.
    """
    above, e_form, decomposition = "e_above_hull_ev_per_atom", "e_form_ev_per_atom", "decomposition_ev_per_atom"
    here = text(f"{flag} = 1")
    return (
        Index(f"ix_verdict_{flag}", *of, above, "candidate_id", e_form, decomposition, flag, sqlite_where=here),
        Index(f"ix_verdict_{flag}_e_form", *of, e_form, "candidate_id", above, flag, sqlite_where=here),
        Index(f"ix_verdict_{flag}_decomposition", *of, decomposition, "candidate_id", above, flag, sqlite_where=here),
    )


meta = Table("meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))

alembic_version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

campaign = Table(
    "campaign",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("config", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("reference_set_id", Text, nullable=False),
    Column("n_references", Integer, nullable=False),
    Column("begun_at", Text, nullable=False),
    _checksum(),
)

# How many times a campaign's lock was taken: `fencing`.
fence = Table(
    "fence",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

stage = Table(
    "stage",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("figures", Text, nullable=False),
    Column("finished_at", Text, nullable=False),
    _checksum(),
)

candidate = Table(
    "candidate",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("formula", Text, nullable=False),
    Column("chemical_system", Text, nullable=False),
    Column("n_sites", Integer, CheckConstraint("n_sites > 0"), nullable=False),
    Column("elements_low", BigInteger, nullable=False),
    Column("elements_high", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("parent_id", Text, nullable=False),
    Column("generator", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("probability", Float),
    Column("multiplicity", Integer, nullable=False, server_default=text("1")),
    Column("campaign", ForeignKey("campaign.name"), nullable=False),
    Column("round", Integer, nullable=False),
    _checksum(),
    Index("ix_candidate_fingerprint", "fingerprint"),
    Index("ix_candidate_chemical_system", "chemical_system"),
    Index("ix_candidate_formula", "formula", "id"),
    Index("ix_candidate_n_sites", "n_sites", "id"),
    Index("ix_candidate_round", "round", "id"),
    # Few enough bytes to go through whole: which candidates have some elements is told without their rows.
    Index("ix_candidate_elements", "elements_low", "elements_high", "n_sites", "id"),
    _within("probability", 0.0, 1.0),
)

crystal = Table(
    "crystal",
    metadata,
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("level", String(128), primary_key=True),
    Column("content", _Content, nullable=False),
    _checksum(),
)

campaign_candidate = Table(
    "campaign_candidate",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Index("ix_campaign_candidate_candidate", "candidate_id", "campaign", "round"),
)

prediction = Table(
    "prediction",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("e_form_ev_per_atom", Float, nullable=False),
    Column("spread_ev_per_atom", Float, nullable=False),
    Column("e_above_hull_ev_per_atom", Float, nullable=False),
    Column("p_stable", Float, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("expected_improvement_ev_per_atom", Float),
    _checksum(),
    Index("ix_prediction_candidate", "candidate_id", "campaign", "round"),
    Index("ix_prediction_p_stable", "p_stable", "candidate_id"),
    Index("ix_prediction_e_above_hull", "e_above_hull_ev_per_atom", "candidate_id"),
    _within("e_form_ev_per_atom", -ENERGY_LIMIT_EV, ENERGY_LIMIT_EV),
    _within("spread_ev_per_atom", -1e-6, ENERGY_LIMIT_EV),
    _within("e_above_hull_ev_per_atom", -ENERGY_LIMIT_EV, ENERGY_LIMIT_EV),
    _within("p_stable", 0.0, 1.0),
)

selection = Table(
    "selection",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("level", String(128), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("role", String(16), CheckConstraint("role IN ('chosen', 'control')"), nullable=False),
    _checksum(),
    # What a campaign has selected once at a level is verified there and never selected again.
    Index("uq_selection", "candidate_id", "campaign", "level", unique=True),
)

verification = Table(
    "verification",
    metadata,
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("level", String(128), primary_key=True),
    Column("campaign", ForeignKey("campaign.name"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("energy_ev", Float),
    Column("max_force_ev_per_ang", Float),
    Column("n_steps", Integer, nullable=False),
    Column("converged", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("failure", Text),
    Column("detail", Text, nullable=False),
    Column("volume_per_atom", Float),
    Column("density", Float),
    Column("space_group_number", Integer),
    Column("space_group", Text),
    Column("fingerprint", Text, nullable=False, server_default=text("''")),
    _checksum(),
    ForeignKeyConstraint(["candidate_id", "level"], ["crystal.candidate_id", "crystal.level"]),
    Index("ix_verification_campaign", "campaign", "level", "round", "failure"),
    Index("ix_verification_level", "level", "candidate_id", "failure"),
    Index("ix_verification_round", "round", "candidate_id", "level"),
    Index("ix_verification_space_group", "space_group_number"),
    CheckConstraint(
        "failure IS NOT NULL OR (energy_ev IS NOT NULL AND max_force_ev_per_ang IS NOT NULL"
        " AND volume_per_atom IS NOT NULL AND volume_per_atom > 0)"
    ),
    _within("energy_ev", -ENERGY_LIMIT_EV, ENERGY_LIMIT_EV),
    _within("max_force_ev_per_ang", 0.0, ENERGY_LIMIT_EV),
    _within("seconds", 0.0, 1e9),
    _within("space_group_number", 1, 230),
)

judgement = Table(
    "judgement",
    metadata,
    Column("serial", _Serial, primary_key=True, autoincrement=True),
    Column("campaign", ForeignKey("campaign.name"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("hull_id", Text, nullable=False),
    Column("reference_set_id", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Column("issued_at", Text, nullable=False),
    Column("level", String(128), nullable=False, server_default=text("''")),
    _checksum(),
    Index("ix_judgement_campaign", "campaign", "level", "round"),
)

verdict = Table(
    "verdict",
    metadata,
    # Counts up with every verdict issued: of two, the higher is the later.
    Column("serial", _Serial, primary_key=True, autoincrement=True),
    Column("campaign", ForeignKey("campaign.name"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("candidate_id", ForeignKey("candidate.id"), nullable=False),
    Column("hull_id", Text, nullable=False),
    Column("level", String(128), nullable=False),
    Column("e_form_ev_per_atom", Float, nullable=False),
    Column("e_above_hull_ev_per_atom", Float, nullable=False),
    Column("decomposition_ev_per_atom", Float, nullable=False),
    Column("products", Text, nullable=False),
    Column("novel", Boolean, nullable=False),
    Column("nearest_known", Text),
    Column("ordering_suspect", Boolean, nullable=False),
    Column("flags", Text, nullable=False, server_default=text("'[]'")),
    Column("analogue", Text),
    Column("prototype", Text, nullable=False, server_default=text("''")),
    Column("new_prototype", Boolean, nullable=False, server_default=text("false")),
    # Kept up to date so that queries need not search: the last verdict of its campaign at its level, the last of all
    # that campaigns issued at their own levels, and the last one at its level.
    Column("latest_of_campaign", Boolean, nullable=False),
    Column("latest", Boolean, nullable=False),
    Column("judgement", _Serial, ForeignKey("judgement.serial")),
    Column("latest_at_level", Boolean, nullable=False, server_default=text("false")),
    _checksum(),
    Column("novelty", Text),
    ForeignKeyConstraint(["candidate_id", "level"], ["verification.candidate_id", "verification.level"]),
    Index("uq_verdict", "judgement", "candidate_id", unique=True),
    Index("ix_verdict_campaign", "campaign", "level", "round"),
    Index("ix_verdict_candidate", "candidate_id", "level", "campaign"),
    Index("ix_verdict_prototype", "prototype"),
    *_last("latest"),
    *_last("latest_at_level", "level"),
    *_last("latest_of_campaign", "campaign", "level"),
    _within("e_form_ev_per_atom", -ENERGY_LIMIT_EV, ENERGY_LIMIT_EV),
    _within("e_above_hull_ev_per_atom", 0.0, ENERGY_LIMIT_EV),
    _within("decomposition_ev_per_atom", -ENERGY_LIMIT_EV, ENERGY_LIMIT_EV),
)

model = Table(
    "model",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("n_train", Integer, nullable=False),
    Column("n_holdout", Integer, nullable=False),
    Column("holdout_mae_ev_per_atom", Float),
    Column("promoted", Boolean, nullable=False),
    _checksum(),
    _within("holdout_mae_ev_per_atom", 0.0, ENERGY_LIMIT_EV),
)

report = Table(
    "report",
    metadata,
    Column("campaign", ForeignKey("campaign.name"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    _checksum(),
)
