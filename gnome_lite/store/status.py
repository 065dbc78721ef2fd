"""What a store holds, counted: campaigns, their rounds, failures and models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, select

from gnome_lite.core.novelty_kinds import count_kinds
from gnome_lite.core.records import STABLE_EV_PER_ATOM, ModelRecord
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import read_sound


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """Rows of one round of one campaign, at its own level.

    Attributes:
        steps: figures of each finished step, by its name.
        verified, failed: by this campaign in this round (what another one had verified already is not counted).
        judged, stable, novel: of the verdicts that stood at its end; novel counts the stable ones that are novel.
        by_novelty: how many of these are of each `NoveltyKind`.
    """

    round: int
    steps: Mapping[str, Mapping[str, Any]]
    candidates: int
    predicted: int
    selected: int
    verified: int
    failed: int
    judged: int
    stable: int
    novel: int
    by_novelty: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LevelStatus:
    """What a campaign has done at a level above its own.

    Attributes:
        selected, verified, failed: in all rounds.
        judged, stable: of the verdicts that stand.
        figures: of the last time it issued verdicts there.
    """

    level: str
    selected: int
    verified: int
    failed: int
    judged: int
    stable: int
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """One campaign.

    Attributes:
        levels: those above its own.
        failures: its failed verifications, by cause, most frequent first.
        models: (round, model) with round 0 the base.
    """

    name: str
    level: str
    reference_set_id: str
    n_references: int
    begun_at: str
    config: Mapping[str, Any]
    rounds: tuple[RoundStatus, ...]
    failures: Mapping[str, int]
    models: tuple[tuple[int, ModelRecord], ...]
    levels: tuple[LevelStatus, ...]


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store and its campaigns, by name."""

    name: str
    schema_version: int
    candidates: int
    verifications: int
    campaigns: tuple[CampaignStatus, ...]


def read_status(connection: Connection, name: str) -> StoreStatus:
    """Count everything."""
    campaigns = read_sound(connection, schema.campaign, select(schema.campaign).order_by(schema.campaign.c.name))
    version = select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")
    return StoreStatus(
        name,
        int(connection.execute(version).scalar_one()),
        connection.execute(select(func.count()).select_from(schema.candidate)).scalar_one(),
        connection.execute(select(func.count()).select_from(schema.verification)).scalar_one(),
        tuple(
            CampaignStatus(
                c["name"],
                c["level"],
                c["reference_set_id"],
                c["n_references"],
                c["begun_at"],
                json.loads(c["config"]),
                _rounds(connection, c["name"], c["level"]),
                _failures(connection, c["name"]),
                _models(connection, c["name"]),
                _levels(connection, c["name"], c["level"]),
            )
            for c in campaigns
        ),
    )


def _rounds(connection: Connection, campaign: str, level: str) -> tuple[RoundStatus, ...]:
    steps: dict[int, dict[str, Mapping[str, Any]]] = {}
    query = select(schema.stage).where(schema.stage.c.campaign == campaign).order_by(schema.stage.c.finished_at)
    for row in connection.execute(query).mappings():
        steps.setdefault(row["round"], {})[row["name"]] = rows.to_figures(row)
    verification = schema.verification
    outcomes = connection.execute(
        select(verification.c.round, func.count(), func.count(verification.c.failure))
        .where(verification.c.campaign == campaign, verification.c.level == level)
        .group_by(verification.c.round)
    )
    verified = {round: (n, failed) for round, n, failed in outcomes}
    candidates = _per_round(connection, schema.campaign_candidate, campaign)
    predicted = _per_round(connection, schema.prediction, campaign)
    selected = _per_round(connection, schema.selection, campaign, schema.selection.c.level == level)
    rounds = sorted({*steps, *candidates} - {0})
    judged = _standing(connection, campaign, level, rounds)
    return tuple(
        RoundStatus(
            round,
            steps.get(round, {}),
            candidates.get(round, 0),
            predicted.get(round, 0),
            selected.get(round, 0),
            *verified.get(round, (0, 0)),
            n_judged,
            n_stable,
            n_novel,
            kinds,
        )
        for round in rounds
        for n_judged, n_stable, n_novel, kinds in [judged[round]]
    )


def _levels(connection: Connection, campaign: str, own: str) -> tuple[LevelStatus, ...]:
    """Levels that a campaign selected or judged crystals at, but its own, by name."""
    s, f, v, j = schema.selection.c, schema.verification.c, schema.verdict.c, schema.judgement.c
    used = (
        select(s.level)
        .where(s.campaign == campaign, s.level != own)
        .union(select(j.level).where(j.campaign == campaign, j.level != own))
    )
    stable = v.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM
    found = []
    for level in sorted(connection.execute(used).scalars()):
        outcomes = (
            select(func.count(), func.count(f.level), func.count(f.failure))
            .select_from(schema.selection)
            .outerjoin(schema.verification, and_(f.candidate_id == s.candidate_id, f.level == s.level))
            .where(s.campaign == campaign, s.level == level)
        )
        judged = select(func.count(), func.count(case((stable, 1)))).where(
            v.campaign == campaign, v.level == level, v.latest_of_campaign
        )
        last = select(j.figures).where(j.campaign == campaign, j.level == level).order_by(j.serial.desc()).limit(1)
        selected, verified, failed = connection.execute(outcomes).one()
        n_judged, n_stable = connection.execute(judged).one()
        figures = json.loads(connection.execute(last).scalar() or "{}")
        found.append(LevelStatus(level, selected, verified, failed, n_judged, n_stable, figures))
    return tuple(found)


def _standing(
    connection: Connection, campaign: str, level: str, rounds: Iterable[int]
) -> dict[int, tuple[int, int, int, dict[str, int]]]:
    """Verdicts that stood at the end of each round: all, those on the hull, the novel ones of these and their kinds."""
    v = schema.verdict
    query = select(v.c.round, v.c.candidate_id, v.c.e_above_hull_ev_per_atom, v.c.novel, v.c.novelty)
    query = query.where(v.c.campaign == campaign, v.c.level == level)
    last: dict[str, tuple[bool, bool, str | None]] = {}
    found: dict[int, tuple[int, int, int, dict[str, int]]] = {}
    issued = iter(connection.execute(query.order_by(v.c.round, v.c.serial)).all())
    row = next(issued, None)
    for round in sorted(rounds):
        while row is not None and row.round <= round:
            on_hull = row.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM
            last[row.candidate_id] = on_hull, on_hull and row.novel, row.novelty
            row = next(issued, None)
        hits = [kind for _, novel, kind in last.values() if novel]
        found[round] = len(last), sum(stable for stable, _, _ in last.values()), len(hits), count_kinds(hits)
    return found


def _per_round(connection: Connection, table: Table, campaign: str, *of: ColumnElement[bool]) -> dict[int, int]:
    query = select(table.c.round, func.count().label("n")).where(table.c.campaign == campaign, *of)
    query = query.group_by(table.c.round)
    return {row.round: row.n for row in connection.execute(query)}


def _failures(connection: Connection, campaign: str) -> dict[str, int]:
    table = schema.verification
    query = (
        select(table.c.failure, func.count().label("n"))
        .where(table.c.campaign == campaign, table.c.failure.is_not(None))
        .group_by(table.c.failure)
    )
    return dict(sorted(((cause, n) for cause, n in connection.execute(query)), key=lambda kv: (-kv[1], kv[0])))


def _models(connection: Connection, campaign: str) -> tuple[tuple[int, ModelRecord], ...]:
    query = select(schema.model).where(schema.model.c.campaign == campaign).order_by(schema.model.c.round)
    return tuple((row["round"], rows.to_model(row)) for row in connection.execute(query).mappings())
