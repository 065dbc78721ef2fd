"""What replays predict with: networks whose predictions of the pool are kept, and tables that need none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, ModelRecord, Prediction, TrainingSet
from gnome_lite.evaluation.ground_truth import GroundTruth
from gnome_lite.evaluation.plans import Plan
from gnome_lite.pipeline import Acquisition, Engine, Hull, PredictionHistory, Predictor, Progress
from gnome_lite.predict.prediction_cache import keep_cached, read_cached
from gnome_lite.predict.predictor import EnsemblePredictor

Energies = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Formation energy and spread, eV/atom, [n] each."""

FAR_EV_PER_ATOM = 10.0
"""Said of what a perfect picker knows to be of no use."""


class PooledPredictor(EnsemblePredictor):
    """Networks that are asked once of a whole pool; what they say is kept on disk.

    Attributes:
        pool: its unrelaxed crystals.
        pool_id: of the labelled pool.
        kept: directory of what was said.
    """

    pool: CrystalBatch
    pool_id: str
    kept: Path

    def predict(self, model_id: str, crystals: CrystalBatch, progress: Progress) -> Energies:
        """Return formation energies and spreads, looked up where the crystals are the pool's."""
        rows = self._rows(crystals)
        if rows is None:
            return super().predict(model_id, crystals, progress)
        if self._said[0] != model_id:
            path = self.kept / f"{self.pool_id}-{model_id}.npz"
            said = read_cached(path, len(self.pool))
            if said is None:
                said = super().predict(model_id, self.pool, progress)
                keep_cached(path, said)
            self._said = model_id, said
        e_form, spread = self._said[1]
        return e_form[rows], spread[rows]

    _said: tuple[str, Energies] = ("", (np.empty(0), np.empty(0)))
    _place: dict[str, int] | None = None

    def _rows(self, crystals: CrystalBatch) -> NDArray[np.int64] | None:
        if self._place is None:
            self._place = {crystal.content_id: i for i, crystal in enumerate(self.pool)}
        rows = [self._place.get(crystal.content_id, -1) for crystal in crystals]
        return None if -1 in rows else np.array(rows, dtype=np.int64)


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

    predictor: PooledPredictor
    base: ModelRecord
    known: TrainingSet
    compositions: Callable[[NDArray[np.int64]], Energies] | None


def predictor_of(truth: GroundTruth, plan: Plan, networks: Networks) -> Predictor:
    """Return what a plan's strategy predicts with.

    Raises:
        ConfigError: if it asks composition networks that there are not.
    """
    if plan.strategy == "composition" and networks.compositions is None:
        raise ConfigError(
            f"no composition networks are shipped for level {truth.references.level}, or they know more than the "
            "networks are to begin with: leave the strategy composition out"
        )
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
            return TablePredictor(no_energies)
        case _:
            return _PlannedPredictor(networks, learns_errors=plan.retrain != "frozen")


def no_energies(candidates: Sequence[Candidate]) -> tuple[NDArray[np.float64], None]:
    """Say 0 eV/atom of everything: for strategies that ask no networks."""
    return np.zeros(len(candidates)), None


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

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory,
        acquisition: Acquisition,
        progress: Progress,
        engine: Engine | None = None,
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

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory,
        acquisition: Acquisition,
        progress: Progress,
        engine: Engine | None = None,
    ) -> list[Prediction]:
        known = history if self._learns_errors else PredictionHistory()
        return self._networks.predictor.rank(model_id, candidates, hull, known, acquisition, progress)

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        return self._networks.predictor.retrain(origin, self._networks.known, new, seed, progress)
