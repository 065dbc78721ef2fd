"""Asking the store: a validated `Query`, the records it gives, and the SQL between them.

Elements are compared as two bit masks a row, so that "has Li and O but no F" is arithmetic on integers; the
latest verdict is marked where it is written. Crystals are read for hits only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select

from gnome_lite.chemistry.space_groups import number_of
from gnome_lite.core.crystals import Crystal, atomic_number, chemical_system, formula_counts, reduced_formula
from gnome_lite.core.errors import ConfigError
from gnome_lite.store import schema
from gnome_lite.store.codec import decode_crystal, element_masks
from gnome_lite.store.connection import chunks
from gnome_lite.store.rows import to_products
from gnome_lite.store.stored import StoredCrystal
from gnome_lite.store.table import to_dataframe

__all__ = ["SORTS", "Query", "StoredCrystal", "run_query", "to_dataframe"]

SORTS = (
    "e_above_hull", "e_form", "decomposition", "predicted_e_above_hull", "p_stable",
    "n_sites", "formula", "id", "round",
)  # fmt: skip
"""What hits can be sorted by: ascending, p_stable descending; ties by id; crystals without it last."""


PREDICTED = {
    "predicted_e_form_ev_per_atom": "e_form_ev_per_atom",
    "predicted_e_above_hull_ev_per_atom": "e_above_hull_ev_per_atom",
    "spread_ev_per_atom": "spread_ev_per_atom",
    "p_stable": "p_stable",
    "model_id": "model_id",
}
"""Fields of a `StoredCrystal` that come from a prediction, and its columns."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which stored crystals are wanted; the default is every crystal that has a verdict.

    Attributes:
        elements: all of these are in it.
        only: nothing but these is in it.
        exclude: none of these is in it.
        chemical_system: exactly these elements, e.g. "Li-Fe-O" in any order.
        formula: this composition, e.g. "LiFePO4" or any multiple of it.
        e_above_hull_max: eV/atom.
        space_group: number, or short Hermann-Mauguin symbol, of the relaxed crystal.
        prototype: anonymous Wyckoff-labelled prototype of the relaxed crystal, e.g. "AB_cF8_225_a_b".
        campaign: selected by this campaign (with `include_unverified`: proposed in it), with its verdict.
        round: verified (with `include_unverified`: proposed) in this round.
        include_unverified: also crystals without a verdict: not chosen yet, or failed.
        sort: one of SORTS.

    Raises:
        ConfigError: naming the field and what is allowed there.
    """

    elements: Sequence[str] = ()
    only: Sequence[str] = ()
    exclude: Sequence[str] = ()
    chemical_system: str | None = None
    formula: str | None = None
    e_above_hull_max: float | None = None
    n_sites_min: int | None = None
    n_sites_max: int | None = None
    space_group: int | str | None = None
    novel: bool | None = None
    ordering_suspect: bool | None = None
    prototype: str | None = None
    campaign: str | None = None
    round: int | None = None
    include_unverified: bool = False
    sort: str = "e_above_hull"
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("elements", "only", "exclude"):
            _numbers(getattr(self, name), name)
        if self.chemical_system is not None:
            _system(self.chemical_system)
        if self.formula is not None:
            _reduced(self.formula)
        if self.space_group is not None:
            number_of(self.space_group)
        if self.e_above_hull_max is not None and not math.isfinite(self.e_above_hull_max):
            raise ConfigError(f"e_above_hull_max is {self.e_above_hull_max}: give eV/atom, e.g. 0.05")
        low, high = self.n_sites_min, self.n_sites_max
        if (low is not None and low < 1) or (high is not None and high < (low or 1)):
            raise ConfigError(f"no crystal has between {low} and {high} sites: give 1 <= n_sites_min <= n_sites_max")
        if self.sort not in SORTS:
            raise ConfigError(f"cannot sort by {self.sort!r}: choose from {', '.join(SORTS)}")
        if self.limit is not None and self.limit < 0:
            raise ConfigError(f"limit is {self.limit}: give 0 or more")


def run_query(connection: Connection, query: Query) -> list[StoredCrystal]:
    """The hits of a query, sorted."""
    found = connection.execute(_statement(query)).mappings().all()
    ids = [row["id"] for row in found]
    crystals, predictions = _crystals(connection, ids), _predictions(connection, ids)
    nothing = dict.fromkeys(PREDICTED)
    return [
        StoredCrystal(
            **{k: v for k, v in row.items() if k not in ("products", "flags")},
            flags=tuple(json.loads(row["flags"])) if row["flags"] is not None else (),
            **predictions.get((row["id"], row["campaign"]), nothing),
            products=to_products(row["products"]) if row["products"] is not None else (),
            crystal=crystals[row["id"], row["level"]] if row["level"] is not None else None,
            input_crystal=crystals[row["id"], schema.PROPOSED],
        )
        for row in found
    ]


def _statement(query: Query) -> Select[Any]:
    """All that stands in the columns of candidate, verdict and verification."""
    c, v, f, s = schema.candidate, schema.verdict, schema.verification, schema.selection
    judged = v.c.latest if query.campaign is None else and_(v.c.latest_of_campaign, v.c.campaign == query.campaign)
    source = c.join(v, and_(v.c.candidate_id == c.c.id, judged), isouter=query.include_unverified)
    source = source.outerjoin(f, and_(f.c.candidate_id == v.c.candidate_id, f.c.level == v.c.level))
    campaign: ColumnElement[Any] = func.coalesce(f.c.campaign, c.c.campaign)
    round: ColumnElement[Any] = func.coalesce(f.c.round, c.c.round)
    if query.campaign is not None:
        # A campaign may have selected what another one had verified: then its own round counts.
        link = schema.campaign_candidate
        campaign = literal(query.campaign)
        source = source.outerjoin(s, and_(s.c.candidate_id == c.c.id, s.c.campaign == campaign))
        proposed = select(func.min(link.c.round)).where(link.c.campaign == campaign, link.c.candidate_id == c.c.id)
        round = func.coalesce(s.c.round, proposed.scalar_subquery()) if query.include_unverified else s.c.round
    # Where every row has a verdict, its columns alone give the order, straight from their index.
    key = c.c.id if query.include_unverified else v.c.candidate_id
    order: Mapping[str, ColumnElement[Any]] = {
        "e_above_hull": v.c.e_above_hull_ev_per_atom,
        "e_form": v.c.e_form_ev_per_atom,
        "decomposition": v.c.decomposition_ev_per_atom,
        "n_sites": c.c.n_sites,
        "formula": c.c.formula,
        "id": key,
        "round": round,
    }
    if query.sort in order:
        by = order[query.sort]
        source_order = [by.is_(None), by, key] if query.include_unverified else [by, key]
    else:
        p, later = schema.prediction, schema.prediction.alias()
        newest = select(func.max(later.c.round)).where(later.c.candidate_id == c.c.id, later.c.campaign == campaign)
        last = and_(p.c.candidate_id == c.c.id, p.c.campaign == campaign, p.c.round == newest.scalar_subquery())
        source = source.outerjoin(p, last)
        by = -p.c.p_stable if query.sort == "p_stable" else p.c.e_above_hull_ev_per_atom
        source_order = [by.is_(None), by, key]
    statement = (
        select(
            *(c.c[k] for k in ("id", "formula", "chemical_system", "n_sites", "parent_id", "generator", "change")),
            *(v.c[k] for k in ("e_form_ev_per_atom", "e_above_hull_ev_per_atom", "decomposition_ev_per_atom")),
            *(v.c[k] for k in ("products", "novel", "nearest_known", "ordering_suspect", "level", "hull_id")),
            *(v.c[k] for k in ("flags", "analogue", "prototype", "new_prototype")),
            *(f.c[k] for k in ("space_group_number", "space_group", "volume_per_atom", "density")),
            campaign.label("campaign"),
            round.label("round"),
        )
        .select_from(source)
        .where(*_conditions(query))
        .order_by(*source_order)
        .limit(query.limit)
    )
    return statement if query.round is None else statement.where(round == query.round)


def _conditions(query: Query) -> Iterable[ColumnElement[bool]]:
    c, v, f = schema.candidate, schema.verdict, schema.verification
    if query.elements:
        for column, mask in _masked(query.elements):
            yield column.bitwise_and(mask) == mask
    if query.only:
        for column, mask in _masked(query.only):
            yield column.bitwise_and(mask) == column
    if query.exclude:
        for column, mask in _masked(query.exclude):
            yield column.bitwise_and(mask) == 0
    if query.chemical_system is not None:
        yield c.c.chemical_system == _system(query.chemical_system)
    if query.formula is not None:
        yield c.c.formula == _reduced(query.formula)
    if query.e_above_hull_max is not None:
        # Crystals without a verdict have no distance to compare; asked for, they stay.
        within = v.c.e_above_hull_ev_per_atom <= query.e_above_hull_max
        yield or_(within, v.c.serial.is_(None)) if query.include_unverified else within
    if query.n_sites_min is not None:
        yield c.c.n_sites >= query.n_sites_min
    if query.n_sites_max is not None:
        yield c.c.n_sites <= query.n_sites_max
    if query.space_group is not None:
        yield f.c.space_group_number == number_of(query.space_group)
    if query.novel is not None:
        yield v.c.novel.is_(query.novel)
    if query.ordering_suspect is not None:
        yield v.c.ordering_suspect.is_(query.ordering_suspect)
    if query.prototype is not None:
        yield v.c.prototype == query.prototype
    if query.campaign is not None and query.include_unverified:
        link = schema.campaign_candidate
        yield exists().where(link.c.candidate_id == c.c.id, link.c.campaign == query.campaign)


def _masked(elements: Sequence[str]) -> list[tuple[ColumnElement[int], int]]:
    low, high = element_masks(_numbers(elements, "elements"))
    return [(schema.candidate.c.elements_low, low), (schema.candidate.c.elements_high, high)]


def _predictions(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The last prediction of each candidate in each campaign, by (id, campaign), under the names of PREDICTED."""
    table = schema.prediction
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for chunk in chunks(ids):
        query = select(table).where(table.c.candidate_id.in_(chunk)).order_by(table.c.round)
        for row in connection.execute(query).mappings():
            found[row["candidate_id"], row["campaign"]] = {name: row[column] for name, column in PREDICTED.items()}
    return found


def _crystals(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], Crystal]:
    """Crystals by candidate id and level."""
    table = schema.crystal
    found: dict[tuple[str, str], Crystal] = {}
    for chunk in chunks(ids):
        for row in connection.execute(select(table).where(table.c.candidate_id.in_(chunk))):
            found[row.candidate_id, row.level] = decode_crystal(row.content)
    return found


def _numbers(elements: Sequence[str], name: str) -> list[int]:
    if isinstance(elements, str):
        raise ConfigError(f"{name} is {elements!r}: give a sequence of symbols such as ('Li', 'O')")
    try:
        return [atomic_number(e) for e in elements]
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error


def _system(text: str) -> str:
    return chemical_system(_numbers([part.strip() for part in text.split("-")], "chemical_system"))


def _reduced(formula: str) -> str:
    try:
        return reduced_formula(formula_counts(formula))
    except ValueError as error:
        raise ConfigError(f"{formula!r} is not a formula ({error}): write e.g. LiFePO4") from error
