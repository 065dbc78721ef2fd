"""Many replays, each kept as it ends and not run again; medians and bands over seeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gnome_lite.config import Selection
from gnome_lite.core.jsonl import append_line, read_lines
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import Plan
from gnome_lite.evaluation.replay import Replay, ReplayRound, replay
from gnome_lite.evaluation.replay_stages import Networks
from gnome_lite.pipeline import Progress, silent

Arm = tuple[str, str]
"""Strategy and retraining: what replays of several seeds have in common."""


def run_replays(
    truth: GroundTruth,
    plans: Sequence[Plan],
    networks: Networks,
    selection: Selection,
    settings: Mapping[str, Any],
    kept: Path | None,
    again: bool = False,
    progress: Progress = silent,
) -> list[Replay]:
    """Run the replays that are not kept yet; return all in the order of the plans.

    Args:
        truth: labelled pool and its ground truth.
        plans: replays to run.
        networks: networks that the strategies may ask.
        selection: limits of a batch.
        settings: settings that the networks' training depends on, for the record.
        kept: results log of replays, of equal plans the last counts; None keeps nothing.
        again: run also those that are kept.
        progress: told of each replay.
    """
    common = {
        "universe": truth.labelled.id,
        "references": truth.references.id,
        "model": networks.base.id,
        "selection": selection.model_dump(mode="json"),
        "settings": dict(settings),
    }
    done = {} if kept is None or again else dict(_read(kept, common))
    for n, plan in enumerate(plans):
        progress("replays", n, len(plans), f"{plan.strategy}, {plan.retrain}, seed {plan.seed}")
        if plan not in done:
            done[plan] = replay(truth, plan, networks, selection, progress)
            if kept is not None:
                append_line(kept, {**common, "replay": asdict(done[plan])})
    progress("replays", len(plans), len(plans), "")
    return [done[plan] for plan in plans]


def by_arm(replays: Iterable[Replay]) -> dict[Arm, list[Replay]]:
    """Return the replays of each arm, in the order they come."""
    arms: dict[Arm, list[Replay]] = defaultdict(list)
    for one in replays:
        arms[one.plan.strategy, one.plan.retrain].append(one)
    return dict(arms)


def band(values: Iterable[float | None]) -> tuple[float, float, float] | None:
    """Return the lowest, median and highest of the values that are not None; None if all are."""
    known = [v for v in values if v is not None]
    return (min(known), float(np.median(known)), max(known)) if known else None


def band_of_rounds(
    replays: Sequence[Replay], figure: Callable[[ReplayRound], float | None]
) -> list[tuple[int, tuple[float, float, float]]]:
    """Return (round, lowest, median and highest over the replays) of each round that has the figure in any."""
    longest = max((len(r.rounds) for r in replays), default=0)
    bands = [(k + 1, band(figure(r.rounds[k]) for r in replays if k < len(r.rounds))) for k in range(longest)]
    return [(k, three) for k, three in bands if three is not None]


def as_json(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """Plain JSON of everything."""
    return [asdict(one) for one in replays]


def _read(kept: Path, common: Mapping[str, Any]) -> Iterator[tuple[Plan, Replay]]:
    """Yield results on the same labelled pool, networks and settings; rows of other versions are left out."""
    same = json.loads(json.dumps(common))
    for row in read_lines(kept):
        try:
            said = row.pop("replay")
            plan = Plan(**said["plan"])
            rounds = tuple(ReplayRound(**r) for r in said["rounds"])
        except (KeyError, TypeError, AttributeError):
            continue
        if row == same:
            yield plan, Replay(plan, said["offered"], said["stable"], rounds, tuple(said["hits_at"]))
