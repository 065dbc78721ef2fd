"""Replays: whole campaigns on a labelled pool, with a table as their verifier.

The loop is `campaign.runner.run_campaign`, on a store in memory; only what is looked up is not worked out: candidates
are the pool's, relaxations and novelty are read from the ground truth (`replay_stages`). A candidate that failed to
relax costs a verification like any other. Energies in eV/atom throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.runner import run_campaign
from gnome_lite.config import Selection
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Prediction, RoundReport
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import NETWORKED, Plan
from gnome_lite.evaluation.replay_stages import Networks, replay_stages
from gnome_lite.pipeline import Progress, silent
from gnome_lite.store.database import SqlStore


@dataclass(frozen=True, slots=True)
class ReplayRound:
    """Figures of one round; None where nothing could be counted.

    Attributes:
        verified: so far, this round included.
        hits: truly stable ones of this round's.
        found: truly stable ones so far.
        hit_rate: hits of the verified of this round.
        hit_rate_then: the same as a campaign counts it: novel, and on the hull of what is known after this round.
        reachable: what a perfect picker would have reached from here: min(budget, stable ones left) / budget.
        daf: hit rate over the share of stable ones among all that was offered.
        mae_chosen_ev_per_atom: |predicted - relaxed| formation energy of those verified in this round.
        mae_pool_ev_per_atom: of all that there was to choose from in this round.
        calibration_error: of P(stable), over all that there was to choose from, against what it speaks of: being on
            the hull of what was known before this round.
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
    """What became of a plan.

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
        """Verifications until this share of the stable crystals was found; None if it never was."""
        needed = max(1, _share(share, self.stable))
        return self.hits_at[needed - 1] if needed <= len(self.hits_at) else None


def replay(
    truth: GroundTruth, plan: Plan, networks: Networks, selection: Selection | None = None, progress: Progress = silent
) -> Replay:
    """Run one campaign on the pool. The same arguments give the same figures.

    Args:
        selection: limits of a batch; budget, control and strategy are the plan's.

    Raises:
        ConfigError: if the strategy asks networks that there are not.
    """
    offered = offered_by(truth, plan)
    stable = int(truth.stable[offered].sum())
    enough = 0 if plan.until is None else _share(plan.until, stable)
    stages = replay_stages(truth, plan, offered, networks, selection or Selection(), progress)
    place = {c.id: i for i, c in enumerate(truth.labelled.candidates)}
    found: list[int] = []

    def stop(reports: Sequence[RoundReport]) -> str:
        taken = [place[c.id] for c, _ in stages.store.selected(stages.config.name, len(reports))]
        found.append(int(truth.stable[taken].sum()))
        note = f"{plan.strategy}, {plan.retrain}, seed {plan.seed}: {sum(found)} of {stable} stable"
        progress("replay", len(reports), 0 if plan.until is not None else plan.rounds, note)
        if sum(r.verified for r in reports) == len(offered):
            return "everything is verified"
        return "so many rounds were planned" if len(reports) >= plan.rounds and sum(found) >= enough else ""

    reports = run_campaign(stages, stop=stop)
    rounds, hits_at = _rounds(truth, plan, stages.store, stages.config.name, reports, place, stable, len(offered))
    return Replay(plan, len(offered), stable, tuple(rounds), tuple(hits_at))


def offered_by(truth: GroundTruth, plan: Plan) -> NDArray[np.int64]:
    """Return which candidates a plan chooses from: those of a share of the formulas, drawn by its seed."""
    names = np.unique(truth.formulas.astype(str))
    size = max(1, round(plan.offered * len(names)))
    drawn = np.random.default_rng([plan.seed, len(names)]).choice(names, size=size, replace=False)
    return np.flatnonzero(np.isin(truth.formulas.astype(str), drawn))


def _rounds(
    truth: GroundTruth,
    plan: Plan,
    store: SqlStore,
    name: str,
    reports: Sequence[RoundReport],
    place: dict[str, int],
    stable: int,
    offered: int,
) -> tuple[list[ReplayRound], list[int]]:
    """Figures of all rounds against the ground truth, and the verifications that were hits."""
    rounds: list[ReplayRound] = []
    hits_at: list[int] = []
    verified = 0
    for report in reports:
        taken = np.array([place[c.id] for c, _ in store.selected(name, report.round)], dtype=np.int64)
        verdicts = store.verdicts(name, report.round)
        then = [verdicts.get(truth.labelled.candidates[i].id) for i in taken]
        hit = truth.stable[taken]
        learnt = store.done(name, report.round, "learn") or {}
        left = stable - len(hits_at)
        hits_at += (verified + 1 + np.flatnonzero(hit)).tolist()
        verified += len(taken)
        predicted = [p for _, p in store.predictions(name, report.round)]
        rounds.append(
            ReplayRound(
                verified=verified,
                hits=int(hit.sum()),
                found=len(hits_at),
                failed=report.failed,
                hit_rate=float(hit.mean()),
                hit_rate_then=float(np.mean([v is not None and v.stable and v.novel for v in then])),
                reachable=min(plan.budget, left) / plan.budget,
                daf=float(hit.mean()) * offered / stable if stable else None,
                **_errors(truth, plan, predicted, place, taken),
                model_id=report.model_id if plan.strategy in NETWORKED else "",
                promoted=learnt.get("promoted"),
                seconds=sum(s for step, s in report.seconds.items() if step != "learn"),
            )
        )
    return rounds, hits_at


def _errors(
    truth: GroundTruth, plan: Plan, predicted: Sequence[Prediction], place: dict[str, int], taken: NDArray[np.int64]
) -> dict[str, float | None]:
    """Errors of the predictions of a round, and of P(stable) against being on the hull that it speaks of."""
    if plan.strategy not in (*NETWORKED, "composition"):
        return dict.fromkeys(("mae_chosen_ev_per_atom", "mae_pool_ev_per_atom", "calibration_error"))
    rows = np.array([place[p.candidate_id] for p in predicted], dtype=np.int64)
    e_form = np.array([p.e_form_ev_per_atom for p in predicted])
    hull = e_form - np.array([p.e_above_hull_ev_per_atom for p in predicted])
    error = np.abs(e_form - truth.e_form_ev_per_atom[rows])
    on_hull = truth.e_form_ev_per_atom[rows] - hull <= STABLE_EV_PER_ATOM
    p_stable = np.array([p.p_stable for p in predicted])
    return {
        "mae_chosen_ev_per_atom": _mean(error[np.isin(rows, taken)]),
        "mae_pool_ev_per_atom": _mean(error),
        "calibration_error": calibration_error(p_stable, on_hull) if plan.strategy in NETWORKED else None,
    }


def _share(share: float, n: int) -> int:
    """The least whole number that is this share of n."""
    return int(np.ceil(share * n - 1e-9))


def _mean(errors: NDArray[np.float64]) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
