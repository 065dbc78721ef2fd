"""The history of one crystal: everything the store knows of it at any level, with its ancestors."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, select

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
    """A selection: role is "chosen" or "control", rank 0 the best; `own` if for the campaign's own level."""

    campaign: str
    round: int
    role: str
    rank: int
    level: str
    own: bool


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
    """A verdict, and the campaign and round that issued it.

    Attributes:
        cause: "judged" by the round's own step, or what made it move later.
        reference_set_id: of the reference phases at its level, "" where not recorded.
        n_references: how many these are; None where the campaign has gone on with others, or at a higher level.
        own: it is of the campaign's own level.
    """

    campaign: str
    round: int
    verdict: Verdict
    cause: str
    issued_at: str
    reference_set_id: str
    n_references: int | None
    own: bool


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
        predictions, selections, verifications, verdicts: of all levels, in the order of rounds.
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

    @property
    def standing(self) -> dict[str, IssuedVerdict]:
        """The last verdict at each level: at campaigns' own levels first."""
        last = {v.verdict.level: v for v in self.verdicts}
        return dict(sorted(last.items(), key=lambda item: not item[1].own))


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
    selected, verdict, judgement, campaign = schema.selection, schema.verdict, schema.judgement, schema.campaign
    selections = (
        select(selected, (campaign.c.level == selected.c.level).label("own"))
        .join(campaign, campaign.c.name == selected.c.campaign)
        .where(selected.c.candidate_id == candidate_id)
    )
    verifications = rows.verifications().where(schema.verification.c.candidate_id == candidate_id)
    same = campaign.c.reference_set_id == judgement.c.reference_set_id
    verdicts = (
        select(
            *(verdict, judgement.c.cause, judgement.c.issued_at, judgement.c.reference_set_id),
            *(case((same, campaign.c.n_references)).label("n"), (campaign.c.level == verdict.c.level).label("own")),
        )
        .join(judgement, judgement.c.serial == verdict.c.judgement)
        .join(campaign, campaign.c.name == verdict.c.campaign)
        .where(verdict.c.candidate_id == candidate_id)
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
            IssuedSelection(r.campaign, r.round, r.role, r.rank, r.level, r.own)
            for r in connection.execute(selections.order_by(selected.c.campaign, selected.c.round))
        ),
        tuple(
            IssuedVerification(
                r["campaign"], r["round"], rows.to_verification(r), r["space_group_number"], r["space_group"]
            )
            for r in connection.execute(verifications.order_by(schema.verification.c.level)).mappings()
        ),
        tuple(
            IssuedVerdict(
                r["campaign"],
                r["round"],
                rows.to_verdict(r),
                r["cause"],
                r["issued_at"],
                r["reference_set_id"],
                r["n"],
                r["own"],
            )
            for r in connection.execute(verdicts.order_by(verdict.c.serial)).mappings()
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
