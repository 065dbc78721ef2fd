"""Everything the store knows of one crystal, with its ancestors."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gnome_lite.core.errors import StoreError
from gnome_lite.core.records import Candidate, Prediction, Verdict, Verification
from gnome_lite.store import rows, schema


@dataclass(frozen=True, slots=True, eq=False)
class IssuedPrediction:
    """A prediction, and the campaign and round that made it."""

    campaign: str
    round: int
    prediction: Prediction


@dataclass(frozen=True, slots=True, eq=False)
class IssuedSelection:
    """A selection: role is "chosen" or "control", rank 0 the best."""

    campaign: str
    round: int
    role: str
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class IssuedVerification:
    """A verification, successful or failed, with the space group of the relaxed crystal."""

    campaign: str
    round: int
    verification: Verification
    space_group_number: int | None
    space_group: str | None


@dataclass(frozen=True, slots=True, eq=False)
class IssuedVerdict:
    """A verdict, the campaign and round that issued it, and the cause: "judged" by the round's own step, or
    what made it move later."""

    campaign: str
    round: int
    verdict: Verdict
    cause: str
    issued_at: str


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step back in a lineage; a reference crystal, which ends it, has only an id."""

    id: str
    formula: str | None
    generator: str | None
    change: str | None
    round: int | None


@dataclass(frozen=True, slots=True, eq=False)
class CrystalHistory:
    """One crystal from its proposal to its last verdict.

    Attributes:
        campaigns: (campaign, round) of each time it was proposed.
        predictions, selections, verifications, verdicts: in the order of rounds.
        lineage: parent, its parent and so on; the last is a crystal of the reference set.
    """

    candidate: Candidate
    formula: str
    chemical_system: str
    fingerprint: str
    campaigns: tuple[tuple[str, int], ...]
    predictions: tuple[IssuedPrediction, ...]
    selections: tuple[IssuedSelection, ...]
    verifications: tuple[IssuedVerification, ...]
    verdicts: tuple[IssuedVerdict, ...]
    lineage: tuple[Ancestor, ...]


def read_history(connection: Connection, prefix: str, store: str) -> CrystalHistory:
    """The history of the crystal whose id is, or alone begins with, `prefix`.

    Raises:
        StoreError: if there is none, or more than one.
    """
    candidate_id = _resolve(connection, prefix, store)
    table, link, predicted = schema.candidate, schema.campaign_candidate, schema.prediction
    query = rows.candidates().add_columns(table.c.formula, table.c.chemical_system, table.c.fingerprint)
    row = connection.execute(query.where(table.c.id == candidate_id)).mappings().one()
    candidate = rows.to_candidate(row)
    links = select(link.c.campaign, link.c.round).where(link.c.candidate_id == candidate_id)
    predictions = select(predicted).where(predicted.c.candidate_id == candidate_id)
    selections = select(schema.selection).where(schema.selection.c.candidate_id == candidate_id)
    verifications = rows.verifications().where(schema.verification.c.candidate_id == candidate_id)
    judgement = schema.judgement
    verdicts = (
        select(schema.verdict, judgement.c.cause, judgement.c.issued_at)
        .join(judgement, judgement.c.serial == schema.verdict.c.judgement)
        .where(schema.verdict.c.candidate_id == candidate_id)
    )
    return CrystalHistory(
        candidate,
        row["formula"],
        row["chemical_system"],
        row["fingerprint"],
        tuple((r.campaign, r.round) for r in connection.execute(links.order_by(link.c.campaign, link.c.round))),
        tuple(
            IssuedPrediction(r["campaign"], r["round"], rows.to_prediction(r))
            for r in connection.execute(predictions.order_by(predicted.c.campaign, predicted.c.round)).mappings()
        ),
        tuple(
            IssuedSelection(r.campaign, r.round, r.role, r.rank)
            for r in connection.execute(selections.order_by(schema.selection.c.campaign, schema.selection.c.round))
        ),
        tuple(
            IssuedVerification(
                r["campaign"], r["round"], rows.to_verification(r), r["space_group_number"], r["space_group"]
            )
            for r in connection.execute(verifications.order_by(schema.verification.c.level)).mappings()
        ),
        tuple(
            IssuedVerdict(r["campaign"], r["round"], rows.to_verdict(r), r["cause"], r["issued_at"])
            for r in connection.execute(verdicts.order_by(schema.verdict.c.serial)).mappings()
        ),
        _lineage(connection, candidate),
    )


def _resolve(connection: Connection, prefix: str, store: str) -> str:
    column = schema.candidate.c.id
    # A range, unlike LIKE, uses the key's index; "~" sorts after every character of an id.
    found = list(
        connection.execute(
            select(column).where(column >= prefix, column <= prefix + "~").order_by(column).limit(4)
        ).scalars()
    )
    found = [i for i in found if i.startswith(prefix)]
    if prefix in found:
        return prefix
    if not prefix or not found:
        raise StoreError(f"store {store} has no crystal {prefix!r}: `gnome-lite query` lists ids")
    if len(found) > 1:
        some = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise StoreError(f"{prefix!r} begins more than one id ({some}): give more of it")
    return str(found[0])


def _lineage(connection: Connection, candidate: Candidate) -> tuple[Ancestor, ...]:
    table = schema.candidate
    steps: list[Ancestor] = []
    parent_id, seen = candidate.parent_id, {candidate.id}
    while parent_id and parent_id not in seen:
        seen.add(parent_id)
        row = connection.execute(select(table).where(table.c.id == parent_id)).one_or_none()
        if row is None:
            steps.append(Ancestor(parent_id, None, None, None, None))
            break
        steps.append(Ancestor(row.id, row.formula, row.generator, row.change, row.round))
        parent_id = row.parent_id
    return tuple(steps)
