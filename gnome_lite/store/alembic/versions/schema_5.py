"""Schema 5: selections, judgements and verdicts at every level of theory; fingerprints; indices for large stores.

What earlier stores kept of higher levels as JSON in the figures of the step "climb", and of its plans in steps named
"to NAME", becomes rows like those of a campaign's own level.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from alembic import op
from sqlalchemy import Boolean, CheckConstraint, Column, Connection, ForeignKey, Integer, String, Text, text

revision = "5"
down_revision = "4"

_ENERGIES = ("e_form_ev_per_atom", "e_above_hull_ev_per_atom", "decomposition_ev_per_atom")


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("verification", Column("fingerprint", Text, nullable=False, server_default=text("''")))
    op.add_column("judgement", Column("level", String(128), nullable=False, server_default=text("''")))
    op.execute("UPDATE judgement SET level = (SELECT level FROM campaign c WHERE c.name = judgement.campaign)")
    op.add_column("verdict", Column("latest_at_level", Boolean, nullable=False, server_default=text("false")))
    with op.batch_alter_table("stage") as stage:  # a level's name is longer than the 32 characters there were
        stage.alter_column("name", existing_type=String(32), type_=Text, existing_nullable=False)
    _select_at_levels()
    _move_plans(connection)
    _move_standings(connection)
    op.execute("UPDATE stage SET name = 'acquire' WHERE name = 'select'")
    op.execute("UPDATE stage SET name = 'levels' WHERE name = 'climb'")
    last = "SELECT MAX(serial) FROM verdict GROUP BY candidate_id, level"
    op.execute(f"UPDATE verdict SET latest_at_level = true WHERE serial IN ({last})")
    _index()


def _select_at_levels() -> None:
    """A selection has a level, a part of its key; so far all were at their campaign's own."""
    op.execute(
        "CREATE TABLE selection_of_4 AS SELECT s.campaign, c.level, s.round, s.candidate_id, s.rank, s.role"
        " FROM selection s JOIN campaign c ON c.name = s.campaign"
    )
    op.drop_table("selection")
    op.create_table(
        "selection",
        Column("campaign", String(64), ForeignKey("campaign.name"), primary_key=True),
        Column("level", String(128), primary_key=True),
        Column("round", Integer, primary_key=True),
        Column("candidate_id", String(32), ForeignKey("candidate.id"), primary_key=True),
        Column("rank", Integer, nullable=False),
        Column("role", String(16), CheckConstraint("role IN ('chosen', 'control')"), nullable=False),
    )
    op.execute("INSERT INTO selection SELECT campaign, level, round, candidate_id, rank, role FROM selection_of_4")
    op.drop_table("selection_of_4")
    op.create_index("uq_selection", "selection", ["candidate_id", "campaign", "level"], unique=True)


def _climbs(connection: Connection) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    """Finished climbs in the order of rounds: stage row, name of the level, its figures."""
    query = "SELECT campaign, round, figures, finished_at FROM stage WHERE name = 'climb' ORDER BY campaign, round"
    for row in connection.execute(text(query)).all():
        for name, figures in json.loads(row.figures).get("levels", {}).items():
            yield row, name, figures


def _move_plans(connection: Connection) -> None:
    """Ids planned for a level become its selection; a plan of a level that nothing tells of was not begun."""
    level = {(row.campaign, f"to {name}"[:32]): figures["level"] for row, name, figures in _climbs(connection)}
    plans = connection.execute(
        text("SELECT campaign, round, name, figures FROM stage WHERE name LIKE 'to %' ORDER BY campaign, round")
    ).all()
    of_id = "campaign = :campaign AND round = :round AND candidate_id = :id"
    relaxed = text(f"SELECT level FROM verification WHERE {of_id}")
    own = dict(connection.execute(text("SELECT name, level FROM campaign")).tuples().all())
    selected: set[tuple[str, str, str]] = set()
    for campaign, round, name, figures in plans:
        ids = [str(i) for i in json.loads(figures)["ids"]]
        at = {"campaign": campaign, "round": round}
        known = level.get((campaign, name))
        for i in ids if known is None else ():
            levels = connection.execute(relaxed, at | {"id": i}).scalars()
            known = next((found for found in levels if found != own[campaign]), known)
        if known is None:
            connection.execute(
                text("DELETE FROM stage WHERE campaign = :campaign AND round = :round AND name = :name"),
                at | {"name": name},
            )
            continue
        fresh = [i for i in dict.fromkeys(ids) if (campaign, known, i) not in selected]
        selected |= {(campaign, known, i) for i in fresh}
        for rank, i in enumerate(fresh):
            connection.execute(
                text("INSERT INTO selection VALUES (:campaign, :level, :round, :id, :rank, 'chosen')"),
                at | {"level": known, "id": i, "rank": rank},
            )
        connection.execute(
            text(
                "UPDATE stage SET name = :new, figures = :figures"
                " WHERE campaign = :campaign AND round = :round AND name = :name"
            ),
            at | {"name": name, "new": f"acquire {known}", "figures": json.dumps({"chosen": len(fresh)})},
        )


def _move_standings(connection: Connection) -> None:
    """How crystals stood at a level becomes a judgement and its verdicts: those that were new or had moved."""
    before: dict[tuple[str, str, str], list[Any]] = {}
    for row, _, figures in _climbs(connection):
        level = figures["level"]
        rest = json.dumps({k: v for k, v in figures.items() if k != "standing"}, sort_keys=True, separators=(",", ":"))
        at = {"campaign": row.campaign, "round": row.round, "level": level, "figures": rest, "when": row.finished_at}
        serial = connection.execute(
            text(
                "INSERT INTO judgement (campaign, round, cause, hull_id, reference_set_id, figures, issued_at, level)"
                " VALUES (:campaign, :round, 'judged', '', '', :figures, :when, :level) RETURNING serial"
            ),
            at,
        ).scalar_one()
        connection.execute(
            text("INSERT INTO stage VALUES (:campaign, :round, :name, :figures, :when)"),
            at | {"name": f"judge {level}"},
        )
        for crystal in figures["standing"]:
            key, energies = (row.campaign, level, crystal["id"]), [crystal[name] for name in _ENERGIES]
            if None not in energies and before.get(key) != energies:
                before[key] = energies
                found = dict(zip(_ENERGIES, energies, strict=True))
                _add_verdict(connection, at | found | {"id": crystal["id"], "judgement": serial})


_LOOKS = ("novel", "nearest_known", "ordering_suspect", "flags", "analogue", "prototype", "new_prototype")


def _add_verdict(connection: Connection, values: dict[str, Any]) -> None:
    """One verdict at a higher level, with the looks of the crystal as its campaign last saw it at its own level."""
    connection.execute(
        text(
            "UPDATE verdict SET latest_of_campaign = false"
            " WHERE campaign = :campaign AND level = :level AND candidate_id = :id"
        ),
        values,
    )
    looks = connection.execute(
        text(
            f"SELECT {', '.join(f'own.{name}' for name in _LOOKS)} FROM verdict own"
            " JOIN campaign c ON c.name = own.campaign AND c.level = own.level"
            " JOIN verification f ON f.candidate_id = own.candidate_id AND f.level = :level"
            " WHERE own.candidate_id = :id AND own.campaign = :campaign AND own.latest_of_campaign"
        ),
        values,
    ).mappings()
    for row in looks:
        columns = ("campaign", "round", "level", *_ENERGIES, *_LOOKS, "judgement")
        connection.execute(
            text(
                "INSERT INTO verdict (candidate_id, hull_id, products, latest, latest_of_campaign,"
                f" {', '.join(columns)})"
                f" VALUES (:id, '', '[]', false, true, {', '.join(f':{name}' for name in columns)})"
            ),
            values | dict(row),
        )


def _index() -> None:
    """Indices that serve queries by campaign, level and round, and every order that hits can be sorted in."""
    for name, table, columns in (
        ("ix_candidate_formula", "candidate", ["formula", "id"]),
        ("ix_campaign_candidate_candidate", "campaign_candidate", ["candidate_id", "campaign", "round"]),
        ("ix_verdict_candidate", "verdict", ["candidate_id", "level", "campaign"]),
        ("ix_prediction_candidate", "prediction", ["candidate_id", "campaign", "round"]),
        ("ix_verification_campaign", "verification", ["campaign", "level", "round", "failure"]),
        ("ix_judgement_campaign", "judgement", ["campaign", "level", "round"]),
        ("ix_verdict_campaign", "verdict", ["campaign", "level", "round"]),
    ):
        op.drop_index(name, table)
        op.create_index(name, table, columns)
    op.create_index("ix_candidate_n_sites", "candidate", ["n_sites", "id"])
    op.create_index("ix_prediction_p_stable", "prediction", ["p_stable", "candidate_id"])
    op.create_index("ix_prediction_e_above_hull", "prediction", ["e_above_hull_ev_per_atom", "candidate_id"])
    op.create_index("ix_verification_level", "verification", ["level", "candidate_id", "failure"])
    op.create_index("ix_verification_round", "verification", ["round", "candidate_id", "level"])
    op.drop_index("ix_verdict_latest", "verdict")
    op.drop_index("ix_verdict_latest_of_campaign", "verdict")
    for flag, of in (
        ("latest", []),
        ("latest_at_level", ["level"]),
        ("latest_of_campaign", ["campaign", "level"]),
    ):
        columns = [*of, _ENERGIES[1], "candidate_id", _ENERGIES[0], _ENERGIES[2], flag]
        where: dict[str, Any] = {"sqlite_where": text(f"{flag} = 1"), "postgresql_where": text(flag)}
        op.create_index(f"ix_verdict_{flag}", "verdict", columns, **where)
