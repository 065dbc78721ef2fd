"""Replays: whole campaigns on a closed labelled pool, with a table as their verifier.

The loop is a campaign's: predict, choose, look up, place on the hull, retrain. Chooser, hull and network are those of
a campaign; only the relaxation is looked up. What failed to relax costs a verification like any other.

Energies in eV/atom throughout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.config import Selection
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.records import STABLE_EV_PER_ATOM, ModelRecord, Prediction, TrainingSet
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.pipeline import Hull, PredictionHistory, Progress, silent

if TYPE_CHECKING:
    from gnome_lite.predict.predictor import EnsemblePredictor

Retrain = Literal["frozen", "none", "base", "continue"]
"""Between rounds: nothing is learnt at all; the base network stays, and only the errors of its predictions tell what to
expect (`ErrorModel`); it is trained anew from its own weights, too, as a campaign does; or from the weights of the
round before."""

NETWORKED = ("greedy", "p_stable", "expected_improvement")
"""Strategies that ask the structural networks."""
STRATEGIES = ("perfect", "random", "ion_exchange", "composition", *NETWORKED)
"""`perfect` knows the truth, `composition` takes the lowest by the composition networks; the others are `select`'s."""


BUDGET = 50
"""Verifications a round: about a hundredth of a labelled pool, so that six rounds leave something to find."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One replay.

    Attributes:
        budget: verifications a round.
        rounds: it ends after so many, or when everything is verified.
        until: it goes on, however, until this share of the stable crystals offered is found.
        offered: share of the labelled pool's formulas, drawn by the seed, that there are to choose from.
    """

    strategy: str
    retrain: Retrain = "none"
    seed: int = 0
    budget: int = BUDGET
    rounds: int = 6
    until: float | None = None
    offered: float = 0.8


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


class Networks(Protocol):
    """What a replay predicts with: `replay_networks.ReplayNetworks`."""

    predictor: EnsemblePredictor
    base: ModelRecord
    known: TrainingSet

    def structural(self, model_id: str, progress: Progress) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Formation energy and spread of every candidate of the world by a model, [n] each; NaN where none."""
        ...

    def composition(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same, of its formula's best structure, by the composition networks."""
        ...


def replay(
    truth: GroundTruth, plan: Plan, networks: Networks, selection: Selection | None = None, progress: Progress = silent
) -> Replay:
    """Run one campaign. The same arguments give the same figures.

    Args:
        selection: limits of a batch; budget, control and strategy are the plan's.
    """
    return _Campaign(truth, plan, networks, selection or Selection(), progress).run()


@dataclass(slots=True)
class _Campaign:
    """A replay under way."""

    truth: GroundTruth
    plan: Plan
    networks: Networks
    selection: Selection
    progress: Progress
    rng: np.random.Generator = field(init=False)
    left: NDArray[np.int64] = field(init=False)
    ground: NDArray[np.float64] = field(init=False)
    hull: Hull = field(init=False)
    model: ModelRecord = field(init=False)
    verified: list[int] = field(default_factory=list)
    history: list[tuple[int, Prediction]] = field(default_factory=list)
    hits_at: list[int] = field(default_factory=list)
    rounds: list[ReplayRound] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = np.unique(self.truth.formulas.astype(str))
        self.rng = np.random.default_rng([self.plan.seed, len(names)])
        size = max(1, round(self.plan.offered * len(names)))
        drawn = self.rng.choice(names, size=size, replace=False)
        self.left = np.flatnonzero(np.isin(self.truth.formulas.astype(str), drawn))
        self.ground = self.truth.ground_ev_per_atom.copy()
        self.hull = self.truth.build_hull(self.truth.references, ())
        self.model = self.networks.base

    def run(self) -> Replay:
        plan, offered = self.plan, len(self.left)
        stable = int(self.truth.stable[self.left].sum())
        enough = 0 if plan.until is None else _share(plan.until, stable)
        while len(self.left) and (len(self.rounds) < plan.rounds or len(self.hits_at) < enough):
            if self.rounds and plan.retrain in ("base", "continue"):
                self.rounds[-1] = replace(self.rounds[-1], promoted=self._learn())
            started = time.perf_counter()
            done = self._round(stable / offered)
            self.rounds.append(replace(done, seconds=time.perf_counter() - started))
            note = f"{plan.strategy}, {plan.retrain}, seed {plan.seed}: {len(self.hits_at)} of {stable} stable"
            self.progress("replay", len(self.rounds), 0 if plan.until is not None else plan.rounds, note)
        return Replay(plan, offered, stable, tuple(self.rounds), tuple(self.hits_at))

    def _round(self, prevalence: float) -> ReplayRound:
        """Choose, look up, enter into the hull."""
        truth, left, before = self.truth, self.left, len(self.verified)
        scores = self._scores()
        chosen = self._choose(scores)
        taken, p = left[chosen], scores["p_stable"]
        # Before the hull grows: this is what P(stable) speaks of.
        calibration = None if np.isnan(p).all() else calibration_error(np.nan_to_num(p), self._on_hull(left))
        error = np.abs(scores["e_form"] - truth.e_form_ev_per_atom[left])
        self._remember(scores["e_form"][chosen], scores["spread"][chosen], taken)
        self._enter(taken)
        self.left = np.delete(left, chosen)
        hit = truth.stable[taken]
        self.hits_at += (before + 1 + np.flatnonzero(hit)).tolist()
        return ReplayRound(
            verified=len(self.verified),
            hits=int(hit.sum()),
            found=len(self.hits_at),
            failed=int(np.isnan(truth.e_form_ev_per_atom[taken]).sum()),
            hit_rate=float(hit.mean()),
            hit_rate_then=float(np.mean(self._on_hull(taken) & truth.novel[taken])),
            reachable=min(self.plan.budget, int(truth.stable[left].sum())) / self.plan.budget,
            daf=float(hit.mean()) / prevalence if prevalence else None,
            mae_chosen_ev_per_atom=_mean(error[chosen]),
            mae_pool_ev_per_atom=_mean(error),
            calibration_error=calibration,
            model_id=self.model.id if self.plan.strategy in NETWORKED else "",
            promoted=None,
            seconds=0.0,
        )

    def _scores(self) -> dict[str, NDArray[Any]]:
        """Of what is left, [m], as a campaign's; "e_form" beside them."""
        left, truth = self.left, self.truth
        blank = np.full(len(left), np.nan)
        names = ("e_form", "spread", "p_stable", "expected_improvement")
        scores: dict[str, NDArray[Any]] = dict.fromkeys(names, blank)
        if self.plan.strategy in NETWORKED:
            e_form, spread = self.networks.structural(self.model.id, self.progress)
            history, predictor = self._history(), self.networks.predictor
            errors = predictor.error_model(self.model.id, self.hull, history)
            residual = predictor.residual_gp(self.model.id, history)(truth.start.counts[left])
            scores |= {"e_form": e_form[left], "spread": spread[left]}
            likely = e_form[left] - self.ground[left] + residual, spread[left]
            scores["p_stable"] = errors.p_stable(*likely)
            scores["expected_improvement"] = errors.expected_improvement(*likely)
        elif self.plan.strategy == "composition":
            e_form, spread = self.networks.composition()
            scores |= {"e_form": e_form[left], "spread": spread[left]}
        distance = scores["e_form"] - self.ground[left]
        # As in a campaign what has no prediction is no candidate; here it comes last.
        scores["e_above_hull"] = np.where(np.isfinite(distance), distance, np.inf)
        return scores | {
            "probability": truth.probability[left],
            "formula": truth.formulas[left],
            "system": truth.systems[left],
            "generator": truth.generators[left],
        }

    def _choose(self, scores: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Positions in what is left."""
        budget, strategy = self.plan.budget, self.plan.strategy
        if strategy == "perfect":
            return np.lexsort((self.rng.random(len(self.left)), ~self.truth.stable[self.left]))[:budget]
        if strategy == "random":  # what DAF is measured by: uniform, without limits for compositions
            return self.rng.permutation(len(self.left))[:budget]
        limits = {"strategy": "greedy" if strategy == "composition" else strategy, "budget": budget, "control": 0}
        return BatchAcquisition(self.selection.model_copy(update=limits)).select(scores, self.rng)[0]

    def _enter(self, chosen: NDArray[np.int64]) -> None:
        """What was verified becomes part of the hull; only where it can matter the ground is looked up again."""
        counts, e_form = self.truth.start.counts, self.truth.e_form_ev_per_atom
        absent = counts[self.left] == 0
        touched = np.zeros(len(self.left), dtype=bool)
        for i in chosen.tolist():
            self.verified.append(i)
            if np.isfinite(e_form[i]):
                self.hull.add(self.truth.labelled.candidates[i].id, counts[i], float(e_form[i]))
                touched |= ~absent[:, counts[i] > 0].any(axis=1)
        rows = self.left[touched]
        self.ground[rows] = -self.hull.distances(counts[rows], np.zeros(len(rows)))

    def _on_hull(self, which: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of candidates by index: relaxed, and not above the hull of what is known now, [m]."""
        return self.truth.e_form_ev_per_atom[which] - self.ground[which] <= STABLE_EV_PER_ATOM

    def _remember(self, e_form: NDArray[np.float64], spread: NDArray[np.float64], chosen: NDArray[np.int64]) -> None:
        """What was predicted, of what relaxed."""
        away, verified = e_form - self.ground[chosen], self.truth.e_form_ev_per_atom[chosen]
        for i, e, s, d, found in zip(chosen.tolist(), e_form, spread, away, verified, strict=True):
            if np.isfinite([e, s, d, found]).all():
                self.history.append((i, Prediction("", float(e), float(s), float(d), np.nan, self.model.id)))

    def _history(self) -> PredictionHistory:
        known = [] if self.plan.retrain == "frozen" else self.history
        which = np.array([i for i, _ in known], dtype=np.int64)
        predictions = tuple(p for _, p in known)
        return PredictionHistory(self.truth.start.take(which), predictions, self.truth.e_form_ev_per_atom[which])

    def _learn(self) -> bool:
        """Retrain on what the networks knew and everything verified; whether the new network was taken."""
        base = self.model if self.plan.retrain == "continue" else self.networks.base
        seed = 1000 * self.plan.seed + len(self.rounds)
        made = self.networks.predictor.retrain(base, self.networks.known, self._learnt(), seed, self.progress)
        if made.promoted:
            self.model = made
        return made.promoted

    def _learnt(self) -> TrainingSet:
        """What relaxed, as it was before and after."""
        ok = [i for i in self.verified if np.isfinite(self.truth.e_form_ev_per_atom[i])]
        relaxed = CrystalBatch.from_crystals(self.truth.labelled.outcomes[i].crystal for i in ok)
        e_form = self.truth.e_form_ev_per_atom[ok]
        return TrainingSet(
            CrystalBatch.concatenate([relaxed, self.truth.start.take(ok)]), np.concatenate([e_form, e_form])
        )


def _share(share: float, n: int) -> int:
    """The least whole number that is this share of n."""
    return int(np.ceil(share * n - 1e-9))


def _mean(errors: NDArray[np.float64]) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
