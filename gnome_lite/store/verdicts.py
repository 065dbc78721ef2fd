"""Verdicts: issued by a round or re-issued later; none is ever overwritten, the last of a crystal stands.

A *judgement* is one time that verdicts of a campaign were issued at a level, with its cause: JUDGED by a round's own
step, or whatever made a re-verdict necessary. Only verdicts that are new or have moved are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, select, update

from gnome_lite.core.errors import LevelMismatchError, StoreError
from gnome_lite.core.records import Verdict
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import sealed
from gnome_lite.store.codec import to_json
from gnome_lite.store.connection import chunks
from gnome_lite.store.writes import at, change_campaign, insert, mark, now, of, own_level

if TYPE_CHECKING:
    from gnome_lite.core.phases import PhaseSet

JUDGED = "judged"


def write_judged(
    connection: Connection,
    campaign: str,
    round: int,
    verdicts: Sequence[Verdict],
    figures: Mapping[str, Any],
    level: str | None,
) -> None:
    """The verdicts of a round's own step at a level become these.

    Raises:
        LevelMismatchError: if one of them is of another level.
    """
    table, judgement, own = schema.verdict, schema.judgement, own_level(connection, campaign)
    level = own if level is None else level
    if others := {v.level for v in verdicts} - {level}:
        raise LevelMismatchError(f"verdicts of {', '.join(sorted(others))} are no verdicts of {level}")
    query = select(judgement.c.serial).where(*of(judgement, campaign, round), judgement.c.level == level)
    mine = connection.execute(query.where(judgement.c.cause == JUDGED)).scalars().all()
    replaced = connection.execute(select(table.c.candidate_id).where(table.c.judgement.in_(mine))).scalars().all()
    connection.execute(delete(table).where(table.c.judgement.in_(mine)))
    connection.execute(delete(judgement).where(judgement.c.serial.in_(mine)))
    hull_id = str(figures.get("hull", verdicts[0].hull_id if verdicts else ""))
    _write(connection, campaign, round, level, verdicts, JUDGED, hull_id, figures)
    _let_stand(connection, set(replaced) - {v.candidate_id for v in verdicts})
    mark(connection, campaign, round, "judge" if level == own else f"judge {level}", figures)


def write_reissued(
    connection: Connection,
    campaign: str,
    verdicts: Sequence[Verdict],
    cause: str,
    hull_id: str,
    figures: Mapping[str, Any],
    references: PhaseSet | None = None,
    level: str | None = None,
) -> None:
    """Verdicts that are new or moved since the campaign's last round; with `references` it goes on with these.

    Raises:
        StoreError: if the campaign has judged nothing yet.
        LevelMismatchError: if one of them is of another level.
    """
    judgement = schema.judgement
    last = select(func.max(judgement.c.round)).where(*at(judgement, campaign, None))
    round = connection.execute(last).scalar_one()
    if round is None:
        raise StoreError(f"campaign {campaign!r} has no verdicts to re-issue: `gnome-lite run` issues the first")
    if references is not None:
        change_campaign(connection, campaign, reference_set_id=references.id, n_references=len(references))
    level = own_level(connection, campaign) if level is None else level
    if others := {v.level for v in verdicts} - {level}:
        raise LevelMismatchError(f"verdicts of {', '.join(sorted(others))} are no verdicts of {level}")
    _write(connection, campaign, round, level, verdicts, cause, hull_id, figures)


def read_standing(connection: Connection, campaign: str, round: int | None, level: str | None) -> dict[str, Verdict]:
    """The last verdict of each crystal at a level (None = the campaign's own) up to a round's end (None = of all)."""
    table = schema.verdict
    mine = at(table, campaign, level)
    if round is None:
        query = select(table).where(*mine, table.c.latest_of_campaign)
    else:
        last = select(func.max(table.c.serial)).where(*mine, table.c.round <= round).group_by(table.c.candidate_id)
        query = select(table).where(table.c.serial.in_(last))
    found = connection.execute(query.order_by(table.c.candidate_id)).mappings()
    return {row["candidate_id"]: rows.to_verdict(row) for row in found}


def _write(
    connection: Connection,
    campaign: str,
    round: int,
    level: str,
    verdicts: Sequence[Verdict],
    cause: str,
    hull_id: str,
    figures: Mapping[str, Any],
) -> None:
    table, judgement, owner = schema.verdict, schema.judgement, schema.campaign
    known = connection.execute(select(owner.c.level, owner.c.reference_set_id).where(owner.c.name == campaign)).one()
    own = known.level == level
    # Competing phases of another level are no reference set of the campaign.
    references = known.reference_set_id if own else str(figures.get("reference_set", ""))
    row = {"campaign": campaign, "round": round, "level": level, "cause": cause, "hull_id": hull_id}
    row |= {"reference_set_id": references, "figures": to_json(figures), "issued_at": now()}
    serial = connection.execute(
        judgement.insert().values(**sealed(judgement, row)).returning(judgement.c.serial)
    ).scalar_one()
    for chunk in chunks(v.candidate_id for v in verdicts):
        of_these = update(table).where(table.c.candidate_id.in_(chunk))
        if own:
            connection.execute(of_these.where(table.c.latest).values(latest=False))
        here = of_these.where(table.c.level == level)
        connection.execute(here.where(table.c.latest_at_level).values(latest_at_level=False))
        mine = here.where(table.c.campaign == campaign, table.c.latest_of_campaign)
        connection.execute(mine.values(latest_of_campaign=False))
    issued = {"campaign": campaign, "round": round, "judgement": serial}
    issued |= {"latest_of_campaign": True, "latest_at_level": True, "latest": own}
    insert(connection, table, [rows.from_verdict(v) | issued for v in verdicts])


def _let_stand(connection: Connection, candidate_ids: Iterable[str]) -> None:
    """Verdicts whose successors were taken back are the last ones again."""
    table, owner = schema.verdict, schema.campaign
    own = select(owner.c.level).where(owner.c.name == table.c.campaign).scalar_subquery()
    for chunk in chunks(sorted(candidate_ids)):
        serials = select(func.max(table.c.serial)).where(table.c.candidate_id.in_(chunk))
        for flag, last in (
            (table.c.latest, serials.where(table.c.level == own).group_by(table.c.candidate_id)),
            (table.c.latest_at_level, serials.group_by(table.c.candidate_id, table.c.level)),
            (table.c.latest_of_campaign, serials.group_by(table.c.campaign, table.c.candidate_id, table.c.level)),
        ):
            connection.execute(update(table).where(table.c.serial.in_(last)).values({flag: True}))
