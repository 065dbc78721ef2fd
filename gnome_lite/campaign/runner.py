"""A campaign: its rounds, and in each the steps of `steps.steps_of` in their order.

Engine-free: an `Engine` (a Prefect task wrapper, or plain calling) runs each step. Every step commits
its outcome to the store before the next begins and does nothing if the store says it is done, so a
killed campaign goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gnome_lite.campaign.steps import Step, prepare, steps_of
from gnome_lite.campaign.stopping import reason_to_stop
from gnome_lite.core.records import RoundReport
from gnome_lite.pipeline import Stages

Figures = Mapping[str, Any]
Engine = Callable[[str, int, Callable[[], Figures]], Figures]
"""engine(step name, round, call): runs call() and returns its small JSON figures."""


def call_directly(name: str, round: int, call: Callable[[], Figures]) -> Figures:
    """The engine of notebooks and tests: no engine at all."""
    return call()


def run_campaign(
    stages: Stages, engine: Engine = call_directly, on_round: Callable[[RoundReport], None] | None = None
) -> list[RoundReport]:
    """Run, or go on with, the campaign that `stages.config` describes.

    Args:
        stages: everything assembled.
        engine: how a step is run.
        on_round: told each round's report as it is finished (again for rounds already done).

    Returns:
        The reports of its rounds; fewer than the campaign's where `stopping.reason_to_stop` ended it.

    Raises:
        LevelMismatchError: if references and verifier are of different levels of theory.
        StoreError: if another process runs this campaign.
        ConfigError: if the store holds a campaign of this name with other settings.
    """
    store, name = stages.store, stages.config.name
    with store.exclusive(name):
        engine("prepare", 0, partial(prepare, stages))
        for round in range(1, stages.config.rounds + 1):
            run_round(stages, round, engine)
            reports = [r for r in store.reports(name) if r.round <= round]
            if on_round is not None:
                on_round(reports[-1])
            if reason := reason_to_stop(reports, stages.config.stop):
                stages.progress("stop", round, stages.config.rounds, reason)
                break
    return store.reports(name)


def run_round(stages: Stages, round: int, engine: Engine = call_directly) -> None:
    """Run the steps of one round that the store does not hold as done."""
    for step in steps_of(stages):
        engine(step.__name__, round, partial(run_step, stages, step, round))


def run_step(stages: Stages, step: Step, round: int) -> Figures:
    """One step, unless it is done; returns its figures with the seconds it took."""
    name, campaign = step.__name__, stages.config.name
    done = stages.store.done(campaign, round, name)
    if done is not None:
        return done
    started = time.perf_counter()
    stages.progress(name, 0, 0, f"round {round}")
    figures = step(stages, round)
    figures["seconds"] = round_seconds(time.perf_counter() - started)
    stages.store.finish(campaign, round, name, figures)
    return figures


def round_seconds(seconds: float) -> float:
    """To the millisecond."""
    return float(f"{seconds:.3f}")
