"""Does retraining pay where little is known? Replays by networks that begin with a twentieth of the references.

The shipped networks know 9,197 crystals like the candidates, and some hundred more teach them little
(`learning_replay`). Here they begin as they would in a chemistry in which little has been computed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from benchmarks.learning_replay import gain, middle
from benchmarks.rows import Row
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.evaluation.replay import Replay

KNOWN = 0.05
RATE = 1e-3
"""Of retraining: five times the default, which is for networks that have much to forget."""
LEARNT = {
    "frozen": "nothing learnt",
    "none": "errors alone",
    "base": "errors, and retrained from the base",
}


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    """Yield rows in a long run only: half an hour. Networks are kept in the home."""
    rounds = size("learning_from_little.rounds", effort)
    if not rounds:
        return
    from gnome_lite.config import CampaignConfig
    from gnome_lite.evaluation.plans import make_plans
    from gnome_lite.evaluation.replay_runs import by_arm, run_replays
    from gnome_lite.evaluation.replay_setup import open_replay
    from gnome_lite.report.progress import progress_on
    from gnome_lite.settings import Settings

    settings = campaign_settings(effort)
    settings["predict"] = {"retrain_learning_rate": RATE, **settings.get("predict", {})}
    config = CampaignConfig.model_validate(settings)
    ours = config.select.strategy
    seeds, budget = (size(f"learning_replay.{what}", effort) for what in ("seeds", "budget"))
    plans = make_plans(["random", ours], list(LEARNT), seeds, budget, rounds)
    with progress_on(sys.stderr) as progress:
        truth, networks = open_replay(config, Settings(), None, progress, KNOWN)
        predict = config.predict.model_dump(mode="json")
        arms = by_arm(run_replays(truth, plans, networks, config.select, predict, None, progress=progress))
    where = f"replay from {KNOWN:.0%} of the references"
    yield Row(f"{where}: crystals that the networks begin with", "", len(networks.known), None, "", None)
    random = arms["random", "none"]
    for retrain in ("none", "base"):
        yield gain(f"{where}: {LEARNT[retrain]}", arms[ours, retrain], arms[ours, "frozen"], LEARNT["frozen"])
    yield gain(f"{where}: {LEARNT['base']}", arms[ours, "base"], arms[ours, "none"], LEARNT["none"])
    for retrain, what in LEARNT.items():
        yield from _by_round(f"{where}, {what}", arms[ours, retrain], random)


def _by_round(who: str, ours: Sequence[Replay], random: Sequence[Replay]) -> Iterator[Row]:
    rounds = ours[0].plan.rounds
    for k in range(rounds):
        of, theirs = ([one.rounds[k] for one in some if len(one.rounds) > k] for some in (ours, random))
        rate, chance = (middle(r.hit_rate for r in some) for some in (of, theirs))
        yield Row(f"{who}: hit rate in round {k + 1}", "", rate, chance, "random", rate / chance if chance else None)
        error = middle(r.mae_pool_ev_per_atom for r in of)
        yield Row(f"{who}: MAE on all to choose from in round {k + 1}", "eV/atom", error, None, "", None)
        calibration = middle(r.calibration_error for r in of)
        yield Row(f"{who}: calibration error of P(stable) in round {k + 1}", "", calibration, None, "", None)
    found, stable = [one.rounds[-1].found for one in ours], middle(one.stable for one in ours)
    peer = f"lowest {min(found)}, highest {max(found)} of {len(found)} seeds; stable ones offered"
    yield Row(f"{who}: found in {rounds} rounds", "crystals", middle(found), stable, peer, None)
