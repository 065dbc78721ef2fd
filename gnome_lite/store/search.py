"""Answering a `Query`: first the ids of the hits in their order, then what the store holds of these alone.

Ids come straight from an index on the sort key, so that a first page of a large store takes milliseconds: where many
crystals have the elements and the size asked for, those of the page are soon met; where few have, these are sorted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Join,
    Row,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from gnome_lite.chemistry.space_groups import number_of
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.store import schema
from gnome_lite.store.checksums import lost, require_sound
from gnome_lite.store.codec import crystal_id
from gnome_lite.store.connection import chunks
from gnome_lite.store.contents import few_with, of_contents
from gnome_lite.store.query import SORTS, Query, StoredCrystal
from gnome_lite.store.rows import to_crystals, to_products

Hit = tuple[str, int | None]
"""A candidate's id, and the serial of its verdict."""


def _columns(table: str) -> dict[str, Column[Any]]:
    """The columns of one table that fields of a `StoredCrystal` are read from, by field."""
    found = (f for f in fields(StoredCrystal) if f.metadata["table"] == table)
    return {f.name: schema.metadata.tables[table].c[f.metadata["name"] or f.name] for f in found}


_SELECTED = _columns("candidate") | _columns("verdict") | _columns("verification")
_PREDICTED = _columns("prediction")
_READ = (*schema.candidate.c, *schema.verdict.c, *schema.verification.c)
_C, _V, _F, _P, _S = (
    schema.candidate.c,
    schema.verdict.c,
    schema.verification.c,
    schema.prediction.c,
    schema.selection.c,
)


def run_query(connection: Connection, query: Query) -> list[StoredCrystal]:
    """Return the hits of a query, sorted.

    Raises:
        ConfigError: if the store has no such campaign, or no such level or more than one that begins so.
    """
    level, few = _level(connection, query), few_with(connection, query)
    found: list[Hit] = []
    if query.sort == "round" and query.include_unverified and query.campaign is None:
        found = _by_round(connection, query, level, few)
    else:
        for statement in _statements(query, level, few):
            left = None if query.limit is None else query.limit - len(found)
            if left != 0:
                found += [(row[0], row[1]) for row in connection.execute(statement.limit(left))]
    return [crystal for chunk in chunks(found) for crystal in _read(connection, query, level, chunk)]


def _by_round(connection: Connection, query: Query, level: str | None, few: Sequence[str] | None) -> list[Hit]:
    """Hits with and without a verdict in the order of their rounds, which two tables have, each with an index."""
    judged = connection.execute(_hits(query, level, judged=True, few=few).limit(query.limit)).all()
    others = _hits(query, level, judged=False, few=few)
    if judged and len(judged) == query.limit:
        others = others.where(_C.round <= judged[-1][2])
    merged = merge(judged, connection.execute(others.limit(query.limit)), key=lambda row: (row[2], row[0]))
    return [(row[0], row[1]) for row in islice(merged, query.limit)]


def _level(connection: Connection, query: Query) -> str | None:
    """The level that a query means in full; that of its campaign; None for each campaign's own."""
    table = schema.campaign.c
    own = dict(connection.execute(select(table.name, table.level).order_by(table.name)).tuples().all())
    if query.campaign is not None and query.campaign not in own:
        raise ConfigError(f"the store has no campaign {query.campaign!r}: it holds {', '.join(own) or 'none'}")
    if query.level is None:
        return None if query.campaign is None else own[query.campaign]
    levels = sorted({*own.values(), *connection.execute(select(schema.judgement.c.level).distinct()).scalars()})
    fit = [level for level in levels if level == query.level] or [x for x in levels if x.startswith(query.level)]
    if len(fit) != 1:
        wrong = "begins more than one level" if fit else "is no level of this store"
        raise ConfigError(f"{query.level!r} {wrong}: choose from {', '.join(fit or levels) or 'none'}")
    return fit[0]


def _statements(query: Query, level: str | None, few: Sequence[str] | None) -> Iterator[Select[Any]]:
    """Hits in order; where some lack what is sorted by, these come in a statement of their own, the last."""
    judged = None if query.include_unverified else True
    if SORTS[query.sort] in _PREDICTED:
        yield _hits(query, level, judged, predicted=True, few=few)
        yield _hits(query, level, judged, predicted=False, few=few)
    elif judged is None and SORTS[query.sort] in _columns("verdict"):
        yield _hits(query, level, judged=True, few=few)
        yield _hits(query, level, judged=False, few=few)
    else:
        yield _hits(query, level, judged, few=few)


def _hits(
    query: Query,
    level: str | None,
    judged: bool | None,
    predicted: bool | None = None,
    few: Sequence[str] | None = None,
) -> Select[Any]:
    """Return ids and verdict serials of the hits with (True), without (False), or whichever (None) a verdict.

    Likewise a prediction.
    """
    key = _V.candidate_id if judged else _C.id
    campaign, round = _origin(query, judged)
    by, tie = _order(query, judged, predicted, round)
    if few is not None:
        by = _hidden(by, by)  # these are looked up one by one, not met in the order of an index
    source: FromClause = tie.table
    led = source is not schema.verdict
    stands = _stands(query, level, led)
    same_level = (_hidden(_F.level) if led else _F.level) == _V.level
    conditions = [*_conditions(query, judged), *([] if few is None else [tie.in_(few)])]
    if query.round is not None:
        conditions.append(round == query.round)
    if judged is not None:
        conditions.append(stands if judged else _V.serial.is_(None))
    if predicted:
        later = schema.prediction.alias()
        same = and_(later.c.candidate_id == _P.candidate_id, later.c.campaign == _P.campaign)
        conditions += [_hidden(_P.campaign) == campaign, ~exists().where(same, later.c.round > _P.round)]
    elif predicted is False:
        conditions.append(~exists().where(_P.candidate_id == key, _P.campaign == campaign))
    if judged and led:
        source = Led(source, schema.verdict, and_(_V.candidate_id == tie, stands))
    elif not judged:
        source = source if source is schema.candidate else Led(source, schema.candidate, _C.id == tie)
        source = source.outerjoin(schema.verdict, and_(_V.candidate_id == key, stands))
    others = [(schema.candidate, _C.id == key)] if judged else []
    of_origin = query.campaign is None and (predicted is not None or query.round is not None or query.sort == "round")
    if of_origin or query.space_group is not None:
        others.append((schema.verification, and_(_F.candidate_id == _V.candidate_id, same_level)))
    if query.campaign is not None:
        mine = and_(_S.candidate_id == key, _S.campaign == query.campaign, _S.level == level)
        others.append((schema.selection, mine))
    for table, on in others:
        if table is tie.table:
            conditions.append(on)
        else:  # nothing is spent on a table that no condition asks of
            source = source.outerjoin(table, on)
    columns = (key, _V.serial, *((round,) if query.sort == "round" else ()))
    order = by.desc() if query.sort == "p_stable" and predicted else by
    return select(*columns).select_from(source).where(*conditions).order_by(order, tie)


def _hidden(column: ColumnElement[Any], otherwise: Any = "") -> ColumnElement[Any]:
    """A column as a value that no index is entered by, so that the index on the order is left."""
    return func.coalesce(column, otherwise)


class Led(Join):
    """A join whose left table SQLite goes through first: it would rather look through all verdicts and sort."""

    inherit_cache = True


@compiles(Led, "sqlite")
def _compile_led(join: Led, compiler: SQLCompiler, **options: Any) -> str:
    assert join.onclause is not None
    left, right = (compiler.process(table, **options | {"asfrom": True}) for table in (join.left, join.right))
    return f"{left} CROSS JOIN {right} ON {compiler.process(join.onclause, **options)}"


def _stands(query: Query, level: str | None, led: bool) -> ColumnElement[bool]:
    """The verdict that a crystal is judged by; `led` to it by its candidate, not by an index on verdicts that stand."""
    flag = _V.latest if level is None else _V.latest_at_level if query.campaign is None else _V.latest_of_campaign
    stands = and_(_hidden(flag, false()) if led else flag, *([] if level is None else [_V.level == level]))
    return stands if query.campaign is None else and_(stands, _V.campaign == query.campaign)


def _origin(query: Query, judged: bool | None) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Campaign and round of a hit. A campaign may have selected what another one had verified: its own round counts."""
    if query.campaign is not None:
        link = schema.campaign_candidate.c
        proposed = select(func.min(link.round)).where(link.campaign == query.campaign, link.candidate_id == _C.id)
        return literal(query.campaign), _S.round if judged else func.coalesce(_S.round, proposed.scalar_subquery())
    if judged:
        return _F.campaign, _F.round
    if judged is False:
        return _C.campaign, _C.round
    return func.coalesce(_F.campaign, _C.campaign), func.coalesce(_F.round, _C.round)


def _order(
    query: Query, judged: bool | None, predicted: bool | None, round: ColumnElement[Any]
) -> tuple[ColumnElement[Any], Column[Any]]:
    """What hits are sorted by, and the id of the same table that breaks ties: one index has both."""
    name = SORTS[query.sort]
    if predicted is False or (judged is False and name in _columns("verdict")):
        return _C.id, _C.id
    if query.sort == "round":
        return round, _C.id if not judged else _F.candidate_id if query.campaign is None else _S.candidate_id
    by = (_SELECTED | _PREDICTED)[name]
    tie = {schema.verdict: _V.candidate_id, schema.candidate: _C.id, schema.prediction: _P.candidate_id}[by.table]
    return by, tie


def _conditions(query: Query, judged: bool | None) -> Iterator[ColumnElement[bool]]:
    yield from of_contents(query, _C.n_sites if query.sort == "n_sites" else _hidden(_C.n_sites, 0))
    if query.chemical_system is not None:
        yield _C.chemical_system == query.reduced_system()
    if query.formula is not None:
        yield _C.formula == query.reduced_formula()
    if query.campaign is not None and judged is not True:
        link = schema.campaign_candidate.c
        yield exists().where(link.candidate_id == _C.id, link.campaign == query.campaign)
    of_verdict: list[ColumnElement[bool]] = []
    if query.space_group is not None:
        of_verdict.append(_F.space_group_number == number_of(query.space_group))
    if query.novel is not None:
        of_verdict.append(_V.novel.is_(query.novel))
    if query.ordering_suspect is not None:
        of_verdict.append(_V.ordering_suspect.is_(query.ordering_suspect))
    if query.prototype is not None:
        of_verdict.append(_V.prototype == query.prototype)
    if query.confirmed is not None:
        other, word = schema.verdict.alias().c, query.confirmed.lower()
        at_level = and_(other.latest_at_level, func.lower(other.level).contains(word, autoescape=True))
        on_hull = other.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM
        of_verdict.append(exists().where(other.candidate_id == _V.candidate_id, at_level, on_hull))
    if judged is not False:
        yield from of_verdict
    elif of_verdict:
        yield false()
    limits = [x for x in (query.e_above_hull_max, STABLE_EV_PER_ATOM if query.stable else None) if x is not None]
    if limits and judged is not False:
        # Crystals without a verdict have no distance to compare; asked for, they stay.
        within = _V.e_above_hull_ev_per_atom <= min(limits)
        yield within if judged else or_(within, _V.serial.is_(None))


def _read(connection: Connection, query: Query, level: str | None, hits: Sequence[Hit]) -> Iterator[StoredCrystal]:
    """The crystals of some hits, in their order."""
    ids, serials = [crystal_id(i) for i, _ in hits], [serial for _, serial in hits if serial is not None]
    campaign, round = _origin(query, None)
    source = schema.candidate.outerjoin(schema.verdict, and_(_V.candidate_id == _C.id, _V.serial.in_(serials)))
    same = and_(_F.candidate_id == _V.candidate_id, _F.level == _V.level)
    source = source.outerjoin(schema.verification, same)
    if query.campaign is not None:
        mine = and_(_S.candidate_id == _C.id, _S.campaign == query.campaign, _S.level == level)
        source = source.outerjoin(schema.selection, mine)
    statement = select(*_READ, campaign, round).select_from(source).where(_C.id.in_(ids))
    found = {row[0]: row for row in connection.execute(statement)}
    crystals, predictions = _crystals(connection, ids), _predictions(connection, ids)
    nothing = dict.fromkeys(_PREDICTED)
    for i, serial in hits:
        if i not in found:
            raise lost(schema.candidate, i)
        fields = _to_fields(found[i], serial is not None)
        of_level = fields["level"]
        for key in {schema.PROPOSED, of_level or schema.PROPOSED}:
            if (i, key) not in crystals:
                raise lost(schema.crystal, i, key)
        yield StoredCrystal(
            **fields,
            **predictions.get((i, fields["campaign"]), nothing),
            crystal=None if of_level is None else crystals[i, of_level],
            input_crystal=crystals[i, schema.PROPOSED],
        )


def _to_fields(row: Row[Any], judged: bool) -> dict[str, Any]:
    """Return what a row of `_read` tells of a crystal, by the names of `StoredCrystal`.

    Raises:
        StoreError: if a part of it is not there or not as it was written.
    """
    values, parts = iter(row), {}
    for table in (schema.candidate, schema.verdict, schema.verification):
        part = parts[table] = dict(zip(table.c.keys(), values, strict=False))
        if table is schema.candidate or judged:
            if part["checksum"] is None:
                raise lost(table, row[0])
            require_sound(table, part)
    found = {name: parts[column.table][column.name] for name, column in _SELECTED.items()}
    products, flags = found["products"], found["flags"]
    found["products"] = to_products(products) if products is not None else ()
    found["flags"] = tuple(json.loads(flags)) if flags is not None else ()
    found["campaign"], found["round"] = values
    return found


def _predictions(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The last prediction of each candidate in each campaign, by (id, campaign), under the names of the fields."""
    query = select(schema.prediction).where(_P.candidate_id.in_(ids)).order_by(_P.round)
    names, found = schema.prediction.c.keys(), {}
    for values in connection.execute(query):
        row = dict(zip(names, values, strict=True))
        require_sound(schema.prediction, row)
        found[row["candidate_id"], row["campaign"]] = {name: row[c.name] for name, c in _PREDICTED.items()}
    return found


def _crystals(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], Crystal]:
    """Crystals by candidate id and level."""
    columns = schema.crystal.c
    query = select(columns.candidate_id, columns.level, columns.content, columns.checksum)
    found = connection.execute(query.where(columns.candidate_id.in_(ids))).tuples().all()
    return {(row[0], row[1]): crystal for row, crystal in zip(found, to_crystals(found), strict=True)}
