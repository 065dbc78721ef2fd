"""A campaign: its rounds, and in each the steps of `steps.steps_of` in their order.

Every step commits its outcome to the store before the next begins and does nothing if the store says it is done, so
a killed campaign goes on where it stopped. Replays and rediscovery run by the same function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.engine import Direct
from gnome_lite.campaign.stages import Stages
from gnome_lite.campaign.steps import Step, prepare, steps_of
from gnome_lite.campaign.stopping import reason_to_stop
from gnome_lite.core.records import RoundReport
from gnome_lite.pipeline import Engine, Figures


def run_campaign(
    stages: Stages,
    engine: Engine | None = None,
    on_round: Callable[[RoundReport], None] | None = None,
    stop: Callable[[Sequence[RoundReport]], str] | None = None,
) -> list[RoundReport]:
    """Run, or go on with, the campaign that `stages.config` describes.

    Args:
        stages: parts of the campaign.
        engine: runs steps and spreads work; default: `Direct`.
        on_round: called with each round's report as it is finished (again for rounds already done).
        stop: gives, from the reports so far, why to end now ("" = go on); default: `stopping.reason_to_stop`.

    Returns:
        The reports of its rounds; fewer than planned where it was stopped.

    Raises:
        LevelMismatchError: if references and verifier are of different levels of theory.
        StoreError: if another process runs this campaign.
        ConfigError: if the store holds a campaign of this name with other settings.
    """
    store, name = stages.store, stages.config.name
    stop = stop or partial(reason_to_stop, config=stages.config.stop)
    with store.exclusive(name):
        context = Context(stages, engine or Direct())
        context.engine.run("prepare", 0, partial(prepare, context))
        for round in range(1, stages.config.rounds + 1):
            run_round(context, round)
            reports = [r for r in store.reports(name) if r.round <= round]
            if on_round is not None:
                on_round(reports[-1])
            if reason := stop(reports):
                stages.progress("stop", round, stages.config.rounds, reason)
                break
    return store.reports(name)


def run_round(context: Context, round: int) -> None:
    """Run the steps of one round that the store does not hold as done."""
    for step in steps_of(context.stages):
        context.engine.run(step.__name__, round, partial(run_step, context, step, round))


def run_step(context: Context, step: Step, round: int) -> Figures:
    """Run one step, unless it is done; return its figures with the seconds it took."""
    store, name, campaign = context.stages.store, step.__name__, context.stages.config.name
    done = store.done(campaign, round, name)
    if done is not None:
        return done
    started = time.perf_counter()
    context.stages.progress(name, 0, 0, f"round {round}")
    figures = step(context, round)
    figures["seconds"] = float(f"{time.perf_counter() - started:.3f}")  # to the millisecond
    store.finish(campaign, round, name, figures)
    return figures
