"""Reading verifications: by level, by id, by the campaign and round that selected them; one by one or as arrays.

Each query goes by an index to the rows that it wants: none looks through all that the store holds at a level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, func, select, update

from gnome_lite.core.records import Candidate, Prediction, Verification
from gnome_lite.core.verified_batch import VerifiedBatch
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import lost, require_sound
from gnome_lite.store.codec import decode_crystals
from gnome_lite.store.connection import chunks
from gnome_lite.store.writes import at

READ_THROUGH = 5000
"""More crystals than these are faster read by going through all, of every level, than looked up."""


def read_verifications(
    connection: Connection, level: str, campaign: str | None, ids: Iterable[str] | None
) -> list[Verification]:
    """Verifications at a level, of some ids, of what a campaign selected there, or all; ordered by id."""
    table, selected = schema.verification, schema.selection
    query = rows.verifications().where(table.c.level == level).order_by(table.c.candidate_id)
    if campaign is not None:
        mine = select(selected.c.candidate_id).where(*at(selected, campaign, level))
        query = query.where(table.c.candidate_id.in_(mine))
    parts = [query] if ids is None else [query.where(table.c.candidate_id.in_(c)) for c in chunks(sorted(set(ids)))]
    return [rows.to_verification(row) for part in parts for row in connection.execute(part).mappings()]


def verified_ids(level: str) -> Select[tuple[str]]:
    """Ids verified at a level without failure, in order, from an index alone."""
    table = schema.verification
    return (
        select(table.c.candidate_id)
        .where(table.c.level == level, table.c.failure.is_(None))
        .order_by(table.c.candidate_id)
    )


def read_batch(connection: Connection, level: str, ids: Sequence[str] | None) -> VerifiedBatch:
    """What is verified at a level without failure as arrays: some ids in their order, or all ordered by id."""
    table, crystal = schema.verification.c, schema.crystal.c
    facts = select(schema.verification).where(table.failure.is_(None))
    blobs = select(schema.crystal).where(crystal.level == level)
    if ids is None:
        # Row after row as they lie: four times as fast as one by one in the order of an index.
        at_level = facts.where(func.coalesce(table.level, "") == level)
        found = _sound(connection, schema.verification, [at_level])
        ids = sorted(found)
    else:
        by_id = (facts.where(table.level == level, table.candidate_id.in_(part)) for part in chunks(set(ids)))
        found = _sound(connection, schema.verification, by_id)
        ids = [i for i in ids if i in found]
    parts = (blobs.where(crystal.candidate_id.in_(part)) for part in chunks(ids))
    queries = [blobs] if len(ids) > READ_THROUGH else parts
    crystals = _sound(connection, schema.crystal, queries)
    if gone := [i for i in ids if i not in crystals]:
        raise lost(schema.crystal, gone[0], level)
    return VerifiedBatch(
        tuple(ids),
        decode_crystals([crystals[i]["content"] for i in ids]),
        np.array([found[i]["energy_ev"] for i in ids], dtype=np.float64),
        tuple(found[i]["fingerprint"] for i in ids),
    )


def _sound(connection: Connection, table: Table, queries: Iterable[Select[Any]]) -> dict[str, dict[str, Any]]:
    """Return rows of a table by candidate id, each as it was written."""
    names = table.c.keys()
    found = {}
    for query in queries:
        for values in connection.execute(query):
            row = dict(zip(names, values, strict=True))
            require_sound(table, row)
            found[row["candidate_id"]] = row
    return found


def outcomes(campaign: str, round: int, level: str | None) -> Select[Any]:
    """Verifications of what a campaign selected in a round at a level, in rank order."""
    table, selected = schema.verification, schema.selection
    chosen = and_(selected.c.candidate_id == table.c.candidate_id, selected.c.level == table.c.level)
    return (
        rows.verifications()
        .join(selected, chosen)
        .where(*at(selected, campaign, level), selected.c.round == round)
        .order_by(selected.c.rank)
    )


def predicted_and_verified(campaign: str, before_round: int) -> Select[Any]:
    """Selections of earlier rounds with their prediction then and their outcome since, by round and rank."""
    c, v, p, s = schema.candidate, schema.verification, schema.prediction, schema.selection
    proposed, relaxed = schema.crystal.alias("proposed"), schema.crystal.alias("relaxed")
    return (
        select(*rows.with_crystal(c, proposed), *p.c, *rows.with_crystal(v, relaxed))
        .select_from(s)
        .join(p, and_(p.c.campaign == s.c.campaign, p.c.round == s.c.round, p.c.candidate_id == s.c.candidate_id))
        .join(v, and_(v.c.candidate_id == s.c.candidate_id, v.c.level == s.c.level))
        .join(relaxed, and_(relaxed.c.candidate_id == s.c.candidate_id, relaxed.c.level == s.c.level))
        .join(c, c.c.id == s.c.candidate_id)
        .join(proposed, and_(proposed.c.candidate_id == s.c.candidate_id, proposed.c.level == schema.PROPOSED))
        .where(*at(s, campaign, None), s.c.round < before_round, v.c.failure.is_(None))
        .order_by(s.c.round, s.c.rank)
    )


def to_triple(row: Row[Any]) -> tuple[Candidate, Prediction, Verification]:
    """The records of one row of `predicted_and_verified`."""
    parts, left = [], tuple(row)
    for table in (schema.candidate, schema.prediction, schema.verification):
        names = [*table.c.keys(), *(() if table is schema.prediction else ("content", "crystal"))]
        parts.append(dict(zip(names, left, strict=False)))
        left = left[len(names) :]
    candidate, prediction, outcome = parts
    return rows.to_candidate(candidate), rows.to_prediction(prediction), rows.to_verification(outcome)


def write_fingerprints(connection: Connection, fingerprints: Mapping[str, str], level: str) -> None:
    """Keep the fingerprints of relaxed crystals, by candidate id."""
    table = schema.verification
    one = update(table).where(table.c.candidate_id == bindparam("of_id"), table.c.level == level)
    if fingerprints:
        values = [{"of_id": i, "to": fingerprint} for i, fingerprint in fingerprints.items()]
        connection.execute(one.values(fingerprint=bindparam("to")), values)
