"""Verdicts: issued by a round or re-issued later; none is ever overwritten, the last of a crystal stands.

A *judgement* is one time that verdicts of a campaign were issued, with its cause: JUDGED by a round's own step, or
whatever made a re-verdict necessary. Only verdicts that are new or have moved are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from gnome_lite.core.errors import StoreError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Verdict
from gnome_lite.store import rows, schema
from gnome_lite.store.codec import to_json
from gnome_lite.store.connection import chunks
from gnome_lite.store.writes import insert, mark, now, of

JUDGED = "judged"


def write_judged(
    connection: Connection, campaign: str, round: int, verdicts: Sequence[Verdict], figures: Mapping[str, Any]
) -> None:
    """The verdicts of a round's own step become these."""
    table, judgement = schema.verdict, schema.judgement
    mine = (
        connection.execute(
            select(judgement.c.serial).where(*of(judgement, campaign, round), judgement.c.cause == JUDGED)
        )
        .scalars()
        .all()
    )
    replaced = connection.execute(select(table.c.candidate_id).where(table.c.judgement.in_(mine))).scalars().all()
    connection.execute(delete(table).where(table.c.judgement.in_(mine)))
    connection.execute(delete(judgement).where(judgement.c.serial.in_(mine)))
    hull_id = str(figures.get("hull", verdicts[0].hull_id if verdicts else ""))
    _write(connection, campaign, round, verdicts, JUDGED, hull_id, figures)
    _let_stand(connection, set(replaced) - {v.candidate_id for v in verdicts})
    mark(connection, campaign, round, "judge", figures)


def write_reissued(
    connection: Connection,
    campaign: str,
    verdicts: Sequence[Verdict],
    cause: str,
    hull_id: str,
    figures: Mapping[str, Any],
    references: PhaseSet | None = None,
) -> None:
    """Verdicts that moved since the campaign's last round; with `references` it goes on with these.

    Raises:
        StoreError: if the campaign has judged nothing yet.
    """
    judgement, table = schema.judgement, schema.campaign
    last = select(func.max(judgement.c.round)).where(judgement.c.campaign == campaign)
    round = connection.execute(last).scalar_one()
    if round is None:
        raise StoreError(f"campaign {campaign!r} has no verdicts to re-issue: `gnome-lite run` issues the first")
    if references is not None:
        changed = update(table).where(table.c.name == campaign)
        connection.execute(changed.values(reference_set_id=references.id, n_references=len(references)))
    _write(connection, campaign, round, verdicts, cause, hull_id, figures)


def read_standing(connection: Connection, campaign: str, round: int | None) -> dict[str, Verdict]:
    """The last verdict of each crystal up to the end of a round (None = of all)."""
    table = schema.verdict
    if round is None:
        query = select(table).where(table.c.campaign == campaign, table.c.latest_of_campaign)
    else:
        last = select(func.max(table.c.serial)).where(table.c.campaign == campaign, table.c.round <= round)
        query = select(table).where(table.c.serial.in_(last.group_by(table.c.candidate_id)))
    found = connection.execute(query.order_by(table.c.candidate_id)).mappings()
    return {row["candidate_id"]: rows.to_verdict(row) for row in found}


def _write(
    connection: Connection,
    campaign: str,
    round: int,
    verdicts: Sequence[Verdict],
    cause: str,
    hull_id: str,
    figures: Mapping[str, Any],
) -> None:
    table, judgement, owner = schema.verdict, schema.judgement, schema.campaign
    references = connection.execute(select(owner.c.reference_set_id).where(owner.c.name == campaign)).scalar_one()
    row = {"campaign": campaign, "round": round, "cause": cause, "hull_id": hull_id, "reference_set_id": references}
    serial = connection.execute(
        judgement.insert().values(**row, figures=to_json(figures), issued_at=now()).returning(judgement.c.serial)
    ).scalar_one()
    for chunk in chunks(v.candidate_id for v in verdicts):
        of_these = update(table).where(table.c.candidate_id.in_(chunk))
        connection.execute(of_these.where(table.c.latest).values(latest=False))
        mine = of_these.where(table.c.campaign == campaign, table.c.latest_of_campaign)
        connection.execute(mine.values(latest_of_campaign=False))
    insert(connection, table, [rows.from_verdict(campaign, round, v) | {"judgement": serial} for v in verdicts])


def _let_stand(connection: Connection, candidate_ids: Iterable[str]) -> None:
    """Verdicts whose successors were taken back are the last ones again."""
    table = schema.verdict
    for chunk in chunks(sorted(candidate_ids)):
        last = select(func.max(table.c.serial)).where(table.c.candidate_id.in_(chunk))
        overall, each = last.group_by(table.c.candidate_id), last.group_by(table.c.campaign, table.c.candidate_id)
        connection.execute(update(table).where(table.c.serial.in_(overall)).values(latest=True))
        connection.execute(update(table).where(table.c.serial.in_(each)).values(latest_of_campaign=True))
