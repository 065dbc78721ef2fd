"""The stages of a replay: candidates, relaxations and novelty of a labelled pool, read from its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.campaign.stages import FurtherParents, Stages
from gnome_lite.config import CampaignConfig, Generate, Predict, Selection
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, CandidatePool, Credibility, Verification
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import Plan
from gnome_lite.evaluation.replay_predictors import Networks, predictor_of
from gnome_lite.store.database import SqlStore

NAME = "replay"
"""Of the one campaign in the store of a replay."""


def replay_stages(
    truth: GroundTruth, plan: Plan, offered: NDArray[np.int64], networks: Networks, selection: Selection
) -> Stages:
    """Return the stages of a campaign on the offered candidates of a pool, with a store in memory.

    Raises:
        ConfigError: if the plan asks networks that there are not.
    """
    limits: dict[str, object] = {"budget": plan.budget, "control": 0, "budget_s": None}
    limits["strategy"] = {"perfect": "greedy", "composition": "greedy"}.get(plan.strategy, plan.strategy)
    if plan.strategy in ("random", "perfect"):  # DAF is measured by a uniform pick, without limits for compositions
        limits |= {"per_composition": len(offered), "per_system": 0}
    select = selection.model_copy(update=limits)
    config = CampaignConfig(
        name=NAME,
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
    pool = _Pool(truth, offered)
    return Stages(
        config=config,
        source=pool,
        candidates=pool,
        further_parents=FurtherParents(CrystalBatch.empty(), (), {}),
        gate=pool,
        novelty=_PoolNovelty(truth),
        predictor=predictor_of(truth, plan, networks),
        acquisition=BatchAcquisition(select),
        verifier=pool,
        build_hull=truth.build_hull,
        store=SqlStore.in_memory(),
    )


class _Pool:
    """Source, candidates, gate and verifier of a replay: what was made, gated and relaxed beforehand."""

    def __init__(self, truth: GroundTruth, offered: NDArray[np.int64]) -> None:
        self.level = truth.references.level
        self._truth, self._offered = truth, offered
        self._outcomes = {v.candidate_id: v for v in truth.labelled.outcomes}

    def load(self) -> PhaseSet:
        return self._truth.references

    def stream(self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, seed: Sequence[int]) -> _Stream:
        """Return the offered candidates, all in the first round."""
        offered = self._offered if round == 1 else self._offered[:0]
        some = [self._truth.labelled.candidates[i] for i in offered]
        return _Stream(
            CandidatePool(
                self._truth.start.take(offered),
                tuple(c.parent_id for c in some),
                tuple(c.change for c in some),
                tuple(c.generator for c in some),
                np.array([c.probability for c in some], dtype=np.float64),
                np.array([c.multiplicity for c in some], dtype=np.int64),
                1,
            )
        )

    def causes(self, crystals: CrystalBatch) -> list[str]:
        return [""] * len(crystals)

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        return (self._outcomes[c.id] for c in candidates)


class _Stream:
    """A `CandidateStream` of one chunk."""

    def __init__(self, chunk: CandidatePool) -> None:
        self._chunk = chunk
        self.skipped = Counter[str]()

    def __iter__(self) -> Iterator[CandidatePool]:
        yield self._chunk


class _PoolNovelty:
    """Novelty, index and prototype database in one, as the ground truth has them.

    Candidates of a pool are distinct; a relaxed crystal is new, or equals something lower in energy. What a crystal
    looks like is no figure of a replay.
    """

    def __init__(self, truth: GroundTruth) -> None:
        outcomes = zip(truth.labelled.outcomes, truth.novel, strict=True)
        self._known = {v.crystal.content_id: v.candidate_id for v, novel in outcomes if v.ok and not novel}

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        return ["-"] * len(crystals)

    def prototype(self, fingerprint: str) -> str:
        return ""

    def index(self) -> _PoolNovelty:
        return self

    def prototype_database(self) -> _PoolNovelty:
        return self

    def fork(self) -> _PoolNovelty:
        return self

    def find(self, crystal: Crystal) -> None:
        return None

    def matches(self, crystal: Crystal) -> list[str]:
        equal = self._known.get(crystal.content_id)
        return [] if equal is None else [f"the same as {equal}"]

    def add(self, id: str, crystal: Crystal) -> None:
        pass

    def extend(self, ids: Sequence[str], crystals: CrystalBatch, fingerprints: Sequence[str] = ()) -> None:
        pass

    def admit(self, ids: Sequence[str], crystals: CrystalBatch) -> list[str | None]:
        return [None] * len(crystals)

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        return Credibility(False, (), None, False)
