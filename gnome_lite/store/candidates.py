"""Reading and writing candidates: one that several campaigns propose is one row, linked to each of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, exists, func, select, text

from gnome_lite.core.records import Candidate, CandidatePool, Prediction
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import lost, read_sound
from gnome_lite.store.codec import encode_crystal
from gnome_lite.store.connection import chunks
from gnome_lite.store.writes import at, insert, mark, of


class Added(NamedTuple):
    """The outcome of adding a round's candidates.

    Attributes:
        n_new: number of those that no campaign had proposed before.
        uncompared: candidates of the same formulas to compare them with first; if there are any, nothing was added.
    """

    n_new: int
    uncompared: list[Candidate]


def add_candidates(
    connection: Connection,
    campaign: str,
    pool: CandidatePool,
    fingerprints: Sequence[str],
    figures: Mapping[str, Any],
    compared: Collection[str] | None,
) -> Added:
    """Write a round's candidates, unless others of their formulas are there that they were not compared with."""
    if connection.dialect.name != "sqlite":  # which has one writer at a time anyway; all may go on reading
        connection.execute(text(f"LOCK TABLE {schema.candidate.name} IN SHARE ROW EXCLUSIVE MODE"))
    others = [] if compared is None else _uncompared(connection, pool, compared)
    if others:
        return Added(0, others)
    n_new = _write(connection, campaign, pool, fingerprints)
    mark(connection, campaign, pool.round, "generate", figures)
    return Added(n_new, [])


def _uncompared(connection: Connection, pool: CandidatePool, compared: Collection[str]) -> list[Candidate]:
    """Return stored candidates of a pool's formulas, by id, that it neither holds nor was compared with."""
    table, known = schema.candidate.c, {*compared, *pool.crystals.content_ids}
    found: set[str] = set()
    for chunk in chunks(sorted(set(pool.crystals.reduced_formulas()))):
        found.update(connection.execute(select(table.id).where(table.formula.in_(chunk))).scalars())
    return read_candidates(connection, sorted(found - known))


def _write(connection: Connection, campaign: str, pool: CandidatePool, fingerprints: Sequence[str]) -> int:
    """The candidates of a round become these; returns how many were new to the store."""
    links, count = schema.campaign_candidate, select(func.count()).select_from(schema.candidate)
    formulas = pool.crystals.reduced_formulas()
    before = connection.execute(count).scalar_one()
    connection.execute(delete(links).where(*of(links, campaign, pool.round)))
    named = zip(pool.candidates(), formulas, fingerprints, strict=True)
    for chunk in chunks(named):
        candidates = [candidate for candidate, _, _ in chunk]
        found = [rows.from_candidate(campaign, *of_one) for of_one in chunk]
        insert(connection, schema.candidate, found, ignore=True)
        crystals = [
            {"candidate_id": c.id, "level": schema.PROPOSED, "content": encode_crystal(c.crystal)} for c in candidates
        ]
        insert(connection, schema.crystal, crystals, ignore=True)
        linked = [{"campaign": campaign, "round": pool.round, "candidate_id": c.id} for c in candidates]
        insert(connection, links, linked, ignore=True)
    return int(connection.execute(count).scalar_one() - before)


def read_candidates(connection: Connection, ids: Sequence[str]) -> list[Candidate]:
    """Candidates in the order of their ids.

    Raises:
        StoreError: if one is not there or not as it was written.
    """
    found: dict[str, Candidate] = {}
    for chunk in chunks(ids):
        of_these = connection.execute(rows.candidates().where(schema.candidate.c.id.in_(chunk))).mappings().all()
        found |= {c.id: c for c in rows.to_candidates(of_these)}
    if gone := [i for i in ids if i not in found]:
        raise lost(schema.candidate, gone[0])
    return [found[i] for i in ids]


def read_by_formula(connection: Connection, formulas: Iterable[str]) -> dict[str, list[Candidate]]:
    """Candidates of any campaign by reduced formula; one without any is absent."""
    column, found = schema.candidate.c.formula, dict[str, list[Candidate]]()
    for chunk in chunks(sorted(set(formulas))):
        query = rows.candidates().where(column.in_(chunk)).order_by(schema.candidate.c.id)
        of_these = connection.execute(query).mappings().all()
        for row, candidate in zip(of_these, rows.to_candidates(of_these), strict=True):
            found.setdefault(row["formula"], []).append(candidate)
    return found


def read_predicted(connection: Connection, campaign: str, round: int) -> list[tuple[Candidate, Prediction]]:
    """Candidates of a round's predictions, ordered by id."""
    table = schema.prediction
    query = select(table).where(*of(table, campaign, round)).order_by(table.c.candidate_id)
    found = [rows.to_prediction(row) for row in connection.execute(query).mappings()]
    candidates = read_candidates(connection, [p.candidate_id for p in found])
    return list(zip(candidates, found, strict=True))


def read_selected(connection: Connection, campaign: str, round: int, level: str | None) -> list[tuple[Candidate, str]]:
    """Candidates selected in a round for a level, in rank order, with their roles."""
    table = schema.selection
    query = select(table).where(*at(table, campaign, level), table.c.round == round)
    found = read_sound(connection, table, query.order_by(table.c.rank))
    candidates = read_candidates(connection, [row["candidate_id"] for row in found])
    return [(c, row["role"]) for c, row in zip(candidates, found, strict=True)]


def read_unverified(connection: Connection, campaign: str, round: int, level: str, carry_over: int) -> list[Candidate]:
    """Candidates of a round without a verification at a level, and the most likely older ones, by id."""
    fresh, older = unverified(campaign, round, level)
    ids = {*connection.execute(fresh).scalars(), *connection.execute(older.limit(carry_over)).scalars()}
    return read_candidates(connection, sorted(ids))


def unverified(campaign: str, round: int, level: str) -> tuple[Select[Any], Select[Any]]:
    """Return ids of this round's candidates without a verification at a level, and of older ones.

    Of the older ones those of the highest p_stable by their latest prediction come first.
    """
    links, done, predicted = schema.campaign_candidate, schema.verification, schema.prediction
    fresh = (
        select(links.c.candidate_id)
        .where(*of(links, campaign, round))
        .where(~exists().where(done.c.candidate_id == links.c.candidate_id, done.c.level == level))
    )
    later = predicted.alias()
    newer = exists().where(
        later.c.campaign == campaign,
        later.c.candidate_id == predicted.c.candidate_id,
        later.c.round < round,
        later.c.round > predicted.c.round,
    )
    older = (
        select(predicted.c.candidate_id)
        .where(predicted.c.campaign == campaign, predicted.c.round < round, ~newer)
        .where(~exists().where(done.c.candidate_id == predicted.c.candidate_id, done.c.level == level))
        .where(predicted.c.candidate_id.not_in(fresh))
        .order_by(predicted.c.p_stable.desc(), predicted.c.candidate_id)
    )
    return fresh, older
