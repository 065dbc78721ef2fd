"""The history of one crystal: everything the store knows of it at any level, with its ancestors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, bindparam, select

from gnome_lite.core.errors import StoreError
from gnome_lite.core.records import Candidate, Prediction, Verdict, Verification
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import lost, read_sound

_ID = schema.candidate.c.id
_BETWEEN = select(_ID).where(bindparam("first") <= _ID, bindparam("last") >= _ID).order_by(_ID).limit(4)
"""Unlike LIKE, a range goes by the key's index."""
_PARENT = select(schema.candidate).where(bindparam("of") == _ID)
_CAMPAIGNS = select(schema.campaign)


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
        coverage: (reported, hypothetical) reference compounds within its chemical system; None where not recorded.
    """

    campaign: str
    round: int
    verdict: Verdict
    cause: str
    issued_at: str
    reference_set_id: str
    n_references: int | None
    own: bool
    coverage: tuple[int, int] | None


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
    (row,) = _of_candidate(connection, schema.candidate, candidate_id)
    candidate = rows.to_candidate(row)
    campaigns = {row["name"]: row for row in read_sound(connection, schema.campaign, _CAMPAIGNS)}
    links = connection.execute(
        _rows_of_candidate(schema.campaign_candidate, ("campaign", "round")), {"of": candidate_id}
    )
    predictions, selections, verdicts, verifications = (
        _of_candidate(connection, of, candidate_id, *order)
        for of, order in (
            (schema.prediction, ("campaign", "round")),
            (schema.selection, ("campaign", "round")),
            (schema.verdict, ("serial",)),
            (schema.verification, ("level",)),
        )
    )
    return CrystalHistory(
        candidate,
        row["formula"],
        row["chemical_system"],
        row["fingerprint"],
        tuple((r.campaign, r.round) for r in links),
        tuple(IssuedPrediction(r["campaign"], r["round"], rows.to_prediction(r)) for r in predictions),
        tuple(
            IssuedSelection(
                r["campaign"], r["round"], r["role"], r["rank"], r["level"],
                campaigns[r["campaign"]]["level"] == r["level"],
            )
            for r in selections
        ),
        tuple(
            IssuedVerification(
                r["campaign"], r["round"], rows.to_verification(r), r["space_group_number"], r["space_group"]
            )
            for r in verifications
        ),
        tuple(_issued(connection, verdicts, campaigns, row["chemical_system"])),
        _lineage(connection, candidate),
    )  # fmt: skip


def _of_candidate(connection: Connection, table: Table, candidate_id: str, *order: str) -> Sequence[RowMapping]:
    """Return the rows of one candidate in a table, in order; itself and a verification with the crystal."""
    return read_sound(connection, table, _rows_of_candidate(table, order), {"of": candidate_id})


@cache
def _rows_of_candidate(table: Table, order: tuple[str, ...]) -> Select[Any]:
    """Return what is made ready once: putting a statement together takes longer than the store does to answer."""
    with_crystal = {schema.candidate: rows.candidates, schema.verification: rows.verifications}
    query = with_crystal[table]() if table in with_crystal else select(table)
    its = table.c.id if table is schema.candidate else table.c.candidate_id
    return query.where(its == bindparam("of")).order_by(*(table.c[name] for name in order))


def _issued(
    connection: Connection, verdicts: Sequence[RowMapping], campaigns: Mapping[str, RowMapping], system: str
) -> Iterator[IssuedVerdict]:
    """Yield verdicts on a crystal of a chemical system with what their judgements tell."""
    table = schema.judgement
    query = select(table).where(table.c.serial.in_({row["judgement"] for row in verdicts}))
    judgements = {row["serial"]: row for row in (read_sound(connection, table, query) if verdicts else ())}
    for row in verdicts:
        if row["judgement"] not in judgements:
            raise lost(table, row["judgement"])
        judgement, campaign = judgements[row["judgement"]], campaigns[row["campaign"]]
        same = campaign["reference_set_id"] == judgement["reference_set_id"]
        covered = json.loads(judgement["figures"]).get("coverage", {}).get(system)
        yield IssuedVerdict(
            row["campaign"],
            row["round"],
            rows.to_verdict(row),
            judgement["cause"],
            judgement["issued_at"],
            judgement["reference_set_id"],
            campaign["n_references"] if same else None,
            campaign["level"] == row["level"],
            None if covered is None else (int(covered[0]), int(covered[1])),
        )


def _resolve(connection: Connection, prefix: str, store: str) -> str:
    # "~" sorts after every character of an id.
    between = connection.execute(_BETWEEN, {"first": prefix, "last": prefix + "~"}).scalars()
    found = [i for i in between if i.startswith(prefix)]
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
        parents = read_sound(connection, table, _PARENT, {"of": parent_id})
        if not parents:
            steps.append(Ancestor(parent_id, None, None, None, None))
            break
        (row,) = parents
        steps.append(Ancestor(row["id"], row["formula"], row["generator"], row["change"], row["round"]))
        parent_id = row["parent_id"]
    return tuple(steps)
