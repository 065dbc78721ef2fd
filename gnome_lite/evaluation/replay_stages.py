"""The stages of a replay: candidates, relaxations and novelty of a labelled pool, read from its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.campaign.stages import FurtherParents, Stages
from gnome_lite.config import CampaignConfig, Generate, Predict, Selection
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import (
    Candidate,
    CandidatePool,
    Credibility,
    Verification,
)
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import Plan
from gnome_lite.evaluation.replay_predictors import Networks, predictor_of
from gnome_lite.pipeline import Progress
from gnome_lite.store.database import SqlStore


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
        predictor=predictor_of(truth, plan, networks),
        acquisition=BatchAcquisition(select),
        verifier=_TableVerifier(truth),
        build_hull=truth.build_hull,
        store=SqlStore.in_memory(),
    )


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
