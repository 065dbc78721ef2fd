"""The stages of a replay: candidates, relaxations and novelty of a labelled pool, read from its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.config import CampaignConfig, Generate, Predict, Selection
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import (
    Candidate,
    CandidatePool,
    Credibility,
    ModelRecord,
    Prediction,
    TrainingSet,
    Verification,
)
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import Plan
from gnome_lite.pipeline import Acquisition, FurtherParents, Hull, PredictionHistory, Predictor, Progress, Stages
from gnome_lite.store.database import SqlStore

Energies = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Formation energy and spread, eV/atom, [n] each."""

FAR_EV_PER_ATOM = 10.0
"""Said of what a perfect picker knows to be of no use."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What replays predict with.

    Attributes:
        predictor: of structures.
        base: the ensemble that a campaign starts from.
        known: what it was trained on, and is trained on again beside what was verified.
        compositions: atom counts [n, MAX_Z + 1] -> formation energy of the best structure and spread; None where no
            composition networks are shipped for the level, or they know more than the others are to begin with.
    """

    predictor: Predictor
    base: ModelRecord
    known: TrainingSet
    compositions: Callable[[NDArray[np.int64]], Energies] | None


def replay_stages(
    truth: GroundTruth,
    plan: Plan,
    offered: NDArray[np.int64],
    networks: Networks,
    selection: Selection,
    progress: Progress,
) -> Stages:
    """Assemble a campaign on the offered candidates of a pool, with a store in memory.

    Raises:
        ConfigError: if the plan asks networks that there are not.
    """
    if plan.strategy == "composition" and networks.compositions is None:
        raise ConfigError(
            f"no composition networks are shipped for level {truth.references.level}, or they know more than the "
            "networks are to begin with: leave the strategy composition out"
        )
    limits: dict[str, object] = {"budget": plan.budget, "control": 0, "budget_s": None}
    limits["strategy"] = {"perfect": "greedy", "composition": "greedy"}.get(plan.strategy, plan.strategy)
    if plan.strategy in ("random", "perfect"):  # DAF is measured by a uniform pick, without limits for compositions
        limits |= {"per_composition": len(offered), "per_system": 0}
    select = selection.model_copy(update=limits)
    config = CampaignConfig(
        name="replay",
        seed=plan.seed,
        rounds=len(offered),
        generate=Generate(candidates=len(offered)),
        predict=Predict(
            retrain="always" if plan.retrain in ("base", "continue") else "never",
            retrain_from="last" if plan.retrain == "continue" else "base",
            carry_over=len(offered),
        ),
        select=select,
    )
    novelty = _TruthNovelty(truth)
    return Stages(
        config=config,
        source=_Known(truth.references),
        candidates=_PoolCandidates(truth, offered),
        further_parents=FurtherParents(CrystalBatch.empty(), (), {}),
        gate=_OpenGate(),
        novelty=novelty,
        predictor=_predictor(truth, plan, networks),
        acquisition=BatchAcquisition(select),
        verifier=_TableVerifier(truth),
        build_hull=truth.build_hull,
        store=SqlStore.in_memory(),
    )


def _predictor(truth: GroundTruth, plan: Plan, networks: Networks) -> Predictor:
    match plan.strategy:
        case "perfect":
            rng = np.random.default_rng(plan.seed)
            useless = np.where(truth.stable, -FAR_EV_PER_ATOM, FAR_EV_PER_ATOM) + rng.random(len(truth)) / 2
            said = {c.id: float(e) for c, e in zip(truth.labelled.candidates, useless, strict=True)}
            return TablePredictor(lambda candidates: (np.array([said[c.id] for c in candidates]), None))
        case "composition":
            ask = networks.compositions
            assert ask is not None, "asked before"
            return TablePredictor(
                lambda candidates: ask(CrystalBatch.from_crystals(c.crystal for c in candidates).counts)
            )
        case "random" | "ion_exchange":
            return TablePredictor(lambda candidates: (np.zeros(len(candidates)), None))
        case _:
            return _PlannedPredictor(networks, learns_errors=plan.retrain != "frozen")


class TablePredictor:
    """A `Predictor` without networks: says of each candidate what a function says, and never learns.

    Args:
        say: formation energies and spreads (None = no spread), eV/atom, [n] each, of candidates.
    """

    def __init__(
        self, say: Callable[[Sequence[Candidate]], tuple[NDArray[np.float64], NDArray[np.float64] | None]]
    ) -> None:
        self._say = say

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        """Return a record of no model."""
        return ModelRecord("none", "", 0, 0, float("nan"))

    def predict(self, model_id: str, crystals: CrystalBatch, progress: Progress) -> Energies:
        """Return zeros: what was said of crystals before is not asked again."""
        return np.zeros(len(crystals)), np.zeros(len(crystals))

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory | None,
        acquisition: Acquisition,
        progress: Progress,
    ) -> list[Prediction]:
        """Return one prediction for each candidate with an energy; P(stable) is 0 or 1."""
        e_form, spread = self._say(candidates)
        spread = np.zeros(len(e_form)) if spread is None else spread
        counts = CrystalBatch.from_crystals(c.crystal for c in candidates).counts
        distance = hull.distances(counts, e_form)
        return [
            Prediction(c.id, float(e), float(s), float(d), float(d <= 0), model_id, max(0.0, -float(d)))
            for c, e, s, d in zip(candidates, e_form, spread, distance, strict=True)
            if np.isfinite([e, s, d]).all()
        ]

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        """Return the origin: nothing is learnt."""
        return replace(origin, promoted=False)


class _PlannedPredictor:
    """The networks of a replay, which begin with what they are to know."""

    def __init__(self, networks: Networks, learns_errors: bool) -> None:
        self._networks, self._learns_errors = networks, learns_errors

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        return self._networks.base

    def predict(self, model_id: str, crystals: CrystalBatch, progress: Progress) -> Energies:
        return self._networks.predictor.predict(model_id, crystals, progress)

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory | None,
        acquisition: Acquisition,
        progress: Progress,
    ) -> list[Prediction]:
        known = history if self._learns_errors else None
        return self._networks.predictor.rank(model_id, candidates, hull, known, acquisition, progress)

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        return self._networks.predictor.retrain(origin, self._networks.known, new, seed, progress)


@dataclass(frozen=True, slots=True)
class _Known:
    references: PhaseSet

    def load(self) -> PhaseSet:
        return self.references


class _PoolCandidates:
    """The offered candidates, all in the first round."""

    def __init__(self, truth: GroundTruth, offered: NDArray[np.int64]) -> None:
        self._truth, self._offered = truth, offered

    def stream(self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, seed: Sequence[int]) -> _PoolStream:
        return _PoolStream(self._truth, self._offered if round == 1 else self._offered[:0])


@dataclass(frozen=True, slots=True)
class _PoolStream:
    truth: GroundTruth
    offered: NDArray[np.int64]
    skipped: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[CandidatePool]:
        some = [self.truth.labelled.candidates[i] for i in self.offered]
        yield CandidatePool(
            self.truth.start.take(self.offered),
            tuple(c.parent_id for c in some),
            tuple(c.change for c in some),
            tuple(c.generator for c in some),
            np.array([c.probability for c in some], dtype=np.float64),
            np.array([c.multiplicity for c in some], dtype=np.int64),
            1,
        )


class _OpenGate:
    """The pool passed the gate when it was made."""

    def causes(self, crystals: CrystalBatch) -> list[str]:
        return [""] * len(crystals)


class _TableVerifier:
    """Relaxations that were done beforehand."""

    def __init__(self, truth: GroundTruth) -> None:
        self.level = truth.references.level
        self._outcomes = {v.candidate_id: v for v in truth.labelled.outcomes}

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        yield from (self._outcomes[c.id] for c in candidates)


class _TruthNovelty:
    """Novelty as the ground truth has it: a relaxed crystal is new or equals something better."""

    def __init__(self, truth: GroundTruth) -> None:
        self._known = {
            v.crystal.content_id: v.candidate_id
            for v, novel in zip(truth.labelled.outcomes, truth.novel, strict=True)
            if v.ok and not novel
        }

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        return ["-"] * len(crystals)

    def prototype(self, fingerprint: str) -> str:
        return ""

    def index(self) -> _TruthIndex:
        return _TruthIndex(self._known)

    def prototype_database(self) -> _NoPrototypes:
        return _NoPrototypes()


class _NoPrototypes:
    """What a crystal looks like is no figure of a replay."""

    def add(self, id: str, crystal: Crystal, fingerprint: str) -> None:
        pass

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        return Credibility(False, (), None, False)


@dataclass(frozen=True, slots=True)
class _TruthIndex:
    """Candidates of a pool are distinct; of relaxed crystals the truth knows which are not."""

    known: dict[str, str]

    def find(self, crystal: Crystal) -> str | None:
        return None

    def matches(self, crystal: Crystal) -> list[str]:
        found = self.known.get(crystal.content_id)
        return [] if found is None else [f"the same as {found}"]

    def fork(self) -> _TruthIndex:
        return self

    def add(self, id: str, crystal: Crystal) -> None:
        pass

    def admit(self, ids: Sequence[str], crystals: CrystalBatch) -> list[str | None]:
        return [None] * len(crystals)
