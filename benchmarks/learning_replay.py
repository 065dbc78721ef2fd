"""Replays on the shipped labelled pool: medians of five seeds beside a random and a perfect picker's."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import numpy as np

from benchmarks.rows import Row
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.replay import Replay
from gnome_lite.evaluation.replay_predictors import Networks
from gnome_lite.pipeline import silent

SHARE = 0.9
RETRAINED = ("base",)
"""As campaigns do by default; `gnome-lite benchmark replay --retrain continue` is the other way, as long again."""
FAR_EV_PER_ATOM, GROWS = 0.1, 0.15


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from gnome_lite.config import CampaignConfig
    from gnome_lite.evaluation.plans import STRATEGIES, make_plans
    from gnome_lite.evaluation.replay_runs import by_arm, run_replays
    from gnome_lite.evaluation.replay_setup import open_replay
    from gnome_lite.report.progress import progress_on
    from gnome_lite.settings import Settings, bundled

    if not bundled("replay", "universe.parquet").is_file():
        raise FileNotFoundError(f"no labelled pool in {bundled('replay')}: `gnome-lite benchmark pool` makes one")
    config = CampaignConfig.model_validate(campaign_settings(effort))
    ours = config.select.strategy
    seeds, rounds, budget = (size(f"learning_replay.{what}", effort) for what in ("seeds", "rounds", "budget"))
    retrained_ways = RETRAINED if size("learning_replay.retrained", effort) else ()
    with progress_on(sys.stderr) as progress:
        truth, networks = open_replay(config, Settings(), None, progress)
        plans = make_plans(STRATEGIES, ["none"], seeds, budget, rounds, until=SHARE)
        plans += make_plans([ours], ["frozen", *retrained_ways], seeds, budget, rounds)
        predict = config.predict.model_dump(mode="json")
        arms = by_arm(run_replays(truth, plans, networks, config.select, predict, None, progress=progress))
    chosen, random = arms[ours, "none"], arms["random", "none"]
    yield from _promised(f"{ours}, not retrained", chosen, random)
    yield gain("learning from errors", chosen, arms[ours, "frozen"], "nothing learnt")
    for retrain in retrained_ways:
        retrained = arms[ours, retrain]
        yield _last_hit_rate(f"{ours}, retrained: {retrain}", retrained)
        yield gain(f"retraining ({retrain})", retrained, arms[ours, "frozen"], "nothing learnt")
        yield gain(f"retraining ({retrain}) and learning from errors", retrained, chosen, "learning from errors alone")
    yield from _held_back(truth, networks)
    for (strategy, retrain), of in arms.items():
        yield from _reported(f"{strategy}, retrained: {retrain}", of, random)


def _promised(who: str, ours: Sequence[Replay], random: Sequence[Replay]) -> Iterator[Row]:
    yield _last_hit_rate(who, ours)
    daf, theirs = (middle(one.rounds[0].daf for one in of) for of in (ours, random))
    yield Row(
        "replay DAF in round 1, shipped ensemble", "", daf, theirs, "random", daf / theirs if theirs else None, ">= 5",
        daf >= 5,
    )  # fmt: skip
    share = _share_of_random(ours, random)
    needed = middle(one.verifications_to(SHARE) for one in random)
    yield Row(
        f"verifications to {SHARE:.0%} of all stable, share of random's", "", share, needed, "random, verifications",
        None, "<= 0.25", share <= 0.25,
    )  # fmt: skip


def _last_hit_rate(who: str, ours: Sequence[Replay]) -> Row:
    rounds = ours[0].plan.rounds
    last = [one.rounds[rounds - 1] for one in ours]
    rate, reachable = middle(r.hit_rate for r in last), middle(r.reachable for r in last)
    return Row(
        f"replay hit rate of the last of {rounds} rounds, {who}", "", rate, reachable, "perfect picker",
        rate / reachable if reachable else None, ">= 0.80, or >= 0.9 of a perfect picker's",
        rate >= 0.8 or rate >= 0.9 * reachable,
    )  # fmt: skip


def gain(what: str, ours: Sequence[Replay], plain: Sequence[Replay], over: str) -> Row:
    """Paired by seed: both were offered the same crystals."""
    rounds = ours[0].plan.rounds
    more = [a.rounds[rounds - 1].found - b.rounds[rounds - 1].found for a, b in zip(ours, plain, strict=True)]
    return Row(
        f"{what} over {over}, more stable found in {rounds} rounds", "crystals", median(more),
        middle(one.rounds[rounds - 1].found for one in plain),
        f"found with {over}; differences of {len(more)} seeds {min(more):+d} to {max(more):+d}", None,
        "all differences above 0", min(more) > 0,
    )  # fmt: skip


def _reported(who: str, ours: Sequence[Replay], random: Sequence[Replay]) -> Iterator[Row]:
    rounds = ours[0].plan.rounds
    for k in (0, rounds - 1):
        rows = [one.rounds[k] for one in ours if len(one.rounds) > k]
        rate, theirs = (middle(one.rounds[k].hit_rate for one in of if len(one.rounds) > k) for of in (ours, random))
        yield Row(f"replay, {who}: hit rate in round {k + 1}", "", rate, theirs, "random", None)
        for name, unit, values in (
            ("hit rate as a campaign counts it", "", [r.hit_rate_then for r in rows]),
            ("MAE on all to choose from", "eV/atom", [r.mae_pool_ev_per_atom for r in rows]),
            ("calibration error of P(stable)", "", [r.calibration_error for r in rows]),
        ):
            if any(v is not None for v in values):
                yield Row(f"replay, {who}: {name} in round {k + 1}", unit, middle(values), None, "", None)
    found = middle(one.rounds[rounds - 1].found / one.stable for one in ours)
    theirs = middle(one.rounds[rounds - 1].found / one.stable for one in random)
    yield Row(f"replay, {who}: share of stable found in {rounds} rounds", "", found, theirs, "random", None)
    if all(one.verifications_to(SHARE) is not None for one in ours):
        share = _share_of_random(ours, random)
        yield Row(f"replay, {who}: verifications to {SHARE:.0%}, share of random's", "", share, None, "", None)
    seconds = middle(sum(r.seconds for r in one.rounds[:rounds]) for one in ours)
    yield Row(f"replay, {who}: {rounds} rounds", "s", seconds, None, "", None)


def _held_back(truth: GroundTruth, networks: Networks) -> Iterator[Row]:
    """Why a share of the stable crystals is found late: what they look like before they are relaxed."""
    e_form, _ = networks.predictor.predict(networks.base.id, truth.start, silent)
    error = np.abs(e_form - truth.e_form_ev_per_atom)
    distances = truth.build_hull(truth.references).distances(truth.start.counts, e_form)
    far = distances[truth.stable] > FAR_EV_PER_ATOM
    name = f"truly stable ones that the shipped ensemble puts more than {FAR_EV_PER_ATOM} eV/atom above the hull, share"
    yield Row(name, "", float(far.mean()), None, "", None)
    after = np.array([outcome.crystal.volume for outcome in truth.labelled.outcomes])
    moved = np.abs(np.log(after / np.array([crystal.volume for crystal in truth.start]))) > np.log(1 + GROWS)
    name = f"error of the shipped ensemble where relaxation changes the volume by more than {GROWS:.0%}, MAE"
    yield Row(name, "eV/atom", float(np.nanmean(error[moved])), float(np.nanmean(error[~moved])), "elsewhere", None)
    yield Row("candidates whose volume changes so, share", "", float(moved.mean()), None, "", None)


def _share_of_random(ours: Sequence[Replay], random: Sequence[Replay]) -> float:
    """Of verifications to find most stable crystals, paired by seed."""
    pairs = [(a.verifications_to(SHARE), b.verifications_to(SHARE)) for a, b in zip(ours, random, strict=True)]
    return middle(a / b for a, b in pairs if a is not None and b)


def middle(values: Iterable[float | None]) -> float:
    """Median of those that are there, NaN if none is."""
    known = [v for v in values if v is not None]
    return float(median(known)) if known else float("nan")
