"""Replays: whole campaigns on a labelled pool, with a table as their verifier.

The loop is `campaign.runner.run_campaign`, on a store in memory; only what is looked up is not worked out: candidates
are the pool's, relaxations and novelty are read from the ground truth (`replay_stages`). A candidate that failed to
relax costs a verification like any other. Energies in eV/atom throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.runner import run_campaign
from gnome_lite.config import Selection
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.records import STABLE_EV_PER_ATOM, RoundReport
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import NETWORKED, Plan
from gnome_lite.evaluation.replay_predictors import Networks
from gnome_lite.evaluation.replay_stages import NAME, replay_stages
from gnome_lite.pipeline import Progress, silent
from gnome_lite.store.database import SqlStore


@dataclass(frozen=True, slots=True)
class ReplayRound:
    """Figures of one round; None where nothing could be counted.

    Attributes:
        verified: crystals verified so far, this round included.
        hits: truly stable ones among those of this round.
        found: truly stable ones so far.
        hit_rate: hits of the verified of this round.
        hit_rate_then: hit rate as a campaign counts it: novel, and on the hull of the phases known after this round.
        reachable: what a perfect picker would have reached from here: min(budget, stable ones left) / budget.
        daf: hit rate over the share of stable ones among all that was offered.
        mae_chosen_ev_per_atom: |predicted - relaxed| formation energy of those verified in this round.
        mae_pool_ev_per_atom: of all that there was to choose from in this round.
        calibration_error: of P(stable) over all that there was to choose from: being on the hull of the phases known
            before this round.
        promoted: the network trained after this round did no worse on the hold-out and was taken.
        seconds: without training.
    """

    verified: int
    hits: int
    found: int
    failed: int
    hit_rate: float
    hit_rate_then: float
    reachable: float
    daf: float | None
    mae_chosen_ev_per_atom: float | None
    mae_pool_ev_per_atom: float | None
    calibration_error: float | None
    model_id: str
    promoted: bool | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome of a plan.

    Attributes:
        offered, stable: candidates there were to choose from, and truly stable ones among them.
        hits_at: verifications, from 1, that found a stable crystal, ascending.
    """

    plan: Plan
    offered: int
    stable: int
    rounds: tuple[ReplayRound, ...]
    hits_at: tuple[int, ...]

    def verifications_to(self, share: float) -> int | None:
        """Return after how many verifications this share of the stable crystals was found; None if it never was."""
        needed = max(1, _share(share, self.stable))
        return self.hits_at[needed - 1] if needed <= len(self.hits_at) else None


def replay(
    truth: GroundTruth, plan: Plan, networks: Networks, selection: Selection | None = None, progress: Progress = silent
) -> Replay:
    """Run one campaign on the pool. The same arguments give the same figures.

    Args:
        truth: labelled pool and its ground truth.
        plan: strategy, retraining, seed and budget.
        networks: networks that the strategy may ask.
        selection: limits of a batch; budget, control and strategy are the plan's.
        progress: told after each round.

    Raises:
        ConfigError: if the strategy asks networks that there are not.
    """
    offered = offered_by(truth, plan)
    stable = int(truth.stable[offered].sum())
    enough = 0 if plan.until is None else _share(plan.until, stable)
    stages = replay_stages(truth, plan, offered, networks, selection or Selection())
    place = {c.id: i for i, c in enumerate(truth.labelled.candidates)}
    hits: list[NDArray[np.bool_]] = []

    def stop(reports: Sequence[RoundReport]) -> str:
        taken = [place[c.id] for c, _ in stages.store.selected(NAME, len(reports))]
        hits.append(truth.stable[taken])
        found = int(sum(hit.sum() for hit in hits))
        note = f"{plan.strategy}, {plan.retrain}, seed {plan.seed}: {found} of {stable} stable"
        progress("replay", len(reports), 0 if plan.until is not None else plan.rounds, note)
        if sum(r.verified for r in reports) == len(offered):
            return "everything is verified"
        return "so many rounds were planned" if len(reports) >= plan.rounds and found >= enough else ""

    reports = run_campaign(stages, stop=stop)
    rounds: list[ReplayRound] = []
    for report, hit in zip(reports, hits, strict=True):
        found = rounds[-1].found if rounds else 0
        rounds.append(
            ReplayRound(
                verified=sum(len(of) for of in hits[: report.round]),
                hits=int(hit.sum()),
                found=found + int(hit.sum()),
                failed=report.failed,
                hit_rate=float(hit.mean()),
                reachable=min(plan.budget, stable - found) / plan.budget,
                daf=float(hit.mean()) * len(offered) / stable if stable else None,
                **_from_store(truth, plan, stages.store, report.round, place),
                model_id=report.model_id if plan.strategy in NETWORKED else "",
                promoted=(stages.store.done(NAME, report.round, "learn") or {}).get("promoted"),
                seconds=sum(s for step, s in report.seconds.items() if step != "learn"),
            )
        )
    hits_at = 1 + np.flatnonzero(np.concatenate(hits))
    return Replay(plan, len(offered), stable, tuple(rounds), tuple(hits_at.tolist()))


def offered_by(truth: GroundTruth, plan: Plan) -> NDArray[np.int64]:
    """Return which candidates a plan chooses from: those of a share of the formulas, drawn by its seed."""
    formulas = np.array(truth.start.reduced_formulas())
    names = np.unique(formulas)
    size = max(1, round(plan.offered * len(names)))
    drawn = np.random.default_rng([plan.seed, len(names)]).choice(names, size=size, replace=False)
    return np.flatnonzero(np.isin(formulas, drawn))


def _from_store(truth: GroundTruth, plan: Plan, store: SqlStore, round: int, place: dict[str, int]) -> dict[str, Any]:
    """Return a round's hit rate as a campaign counts it, and the errors of its predictions.

    P(stable) is judged by what it speaks of: being on the hull of the phases known before the round.
    """
    chosen = [c.id for c, _ in store.selected(NAME, round)]
    verdicts = store.verdicts(NAME, round)
    then = [(v := verdicts.get(i)) is not None and v.stable and v.novel for i in chosen]
    figures: dict[str, Any] = {"hit_rate_then": float(np.mean(then))}
    if plan.strategy not in (*NETWORKED, "composition"):
        return figures | dict.fromkeys(("mae_chosen_ev_per_atom", "mae_pool_ev_per_atom", "calibration_error"))
    predicted = [p for _, p in store.predictions(NAME, round)]
    e_form = np.array([p.e_form_ev_per_atom for p in predicted])
    hull = e_form - np.array([p.e_above_hull_ev_per_atom for p in predicted])
    true = truth.e_form_ev_per_atom[[place[p.candidate_id] for p in predicted]]
    on_hull = true - hull <= STABLE_EV_PER_ATOM
    p_stable = np.array([p.p_stable for p in predicted])
    return figures | {
        "mae_chosen_ev_per_atom": _mean(np.abs(e_form - true)[np.isin([p.candidate_id for p in predicted], chosen)]),
        "mae_pool_ev_per_atom": _mean(np.abs(e_form - true)),
        "calibration_error": calibration_error(p_stable, on_hull) if plan.strategy in NETWORKED else None,
    }


def _share(share: float, n: int) -> int:
    """Return the least whole number that is at least this share of n."""
    return int(np.ceil(share * n - 1e-9))


def _mean(errors: NDArray[np.float64]) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
