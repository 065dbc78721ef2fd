"""Predictors of replays: networks whose predictions of the labelled pool are kept, and tables that need none."""

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
"""Formation energy that the strategy `perfect` gives to crystals that are not stable."""


class PooledPredictor(EnsemblePredictor):
    """An ensemble that predicts a whole labelled pool once a model, and keeps the predictions on disk.

    Attributes:
        pool: unrelaxed crystals of the labelled pool.
        pool_id: id of the labelled pool.
        kept: directory of the predictions.
    """

    pool: CrystalBatch
    pool_id: str
    kept: Path
    _said: tuple[str, Energies] = ("", (np.empty(0), np.empty(0)))
    _place: dict[str, int] | None = None

    def predict(self, model_id: str, crystals: CrystalBatch, progress: Progress) -> Energies:
        """Return formation energies and spreads, looked up where the crystals are the pool's."""
        if self._place is None:
            self._place = {name: i for i, name in enumerate(self.pool.content_ids)}
        rows = [self._place.get(name, -1) for name in crystals.content_ids]
        if -1 in rows:
            return super().predict(model_id, crystals, progress)
        if self._said[0] != model_id:
            path = self.kept / f"{self.pool_id}-{model_id}.safetensors"
            said = read_cached(path, len(self.pool))
            if said is None:
                said = super().predict(model_id, self.pool, progress)
                keep_cached(path, said)
            self._said = model_id, said
        e_form, spread = self._said[1]
        return e_form[rows], spread[rows]


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that replays predict with.

    Attributes:
        predictor: ensemble of structural networks.
        base: the model that a campaign starts from.
        known: what it was trained on, and is trained on again beside the verified crystals.
        compositions: atom counts [n, MAX_Z + 1] -> formation energy of the best structure and spread; None where no
            composition networks are shipped for the level, or they were trained on more than the others may know.
    """

    predictor: PooledPredictor
    base: ModelRecord
    known: TrainingSet
    compositions: Callable[[NDArray[np.int64]], Energies] | None


def predictor_of(truth: GroundTruth, plan: Plan, networks: Networks) -> Predictor:
    """Return the predictor of a plan's strategy.

    Raises:
        ConfigError: if it asks composition networks that there are not.
    """
    match plan.strategy:
        case "perfect":
            rng = np.random.default_rng(plan.seed)
            e_form = np.where(truth.stable, -FAR_EV_PER_ATOM, FAR_EV_PER_ATOM) + rng.random(len(truth)) / 2
            table = {c.id: float(e) for c, e in zip(truth.labelled.candidates, e_form, strict=True)}
            return TablePredictor(lambda some: (np.array([table[c.id] for c in some]), np.zeros(len(some))))
        case "composition":
            ask = networks.compositions
            if ask is None:
                raise ConfigError(
                    f"no composition networks are shipped for level {truth.references.level}, or they know more than "
                    "the networks are to begin with: leave the strategy composition out"
                )
            return TablePredictor(lambda some: ask(CrystalBatch.from_crystals(c.crystal for c in some).counts))
        case "random" | "ion_exchange":
            return TablePredictor()
        case _:
            return _PlannedPredictor(networks, learns_errors=plan.retrain != "frozen")


class TablePredictor:
    """A `Predictor` without networks, which never learns.

    Args:
        energies: function that gives formation energies and spreads of candidates; default: 0 eV/atom.
    """

    def __init__(
        self,
        energies: Callable[[Sequence[Candidate]], Energies] = lambda some: (np.zeros(len(some)), np.zeros(len(some))),
    ) -> None:
        self._energies = energies

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
        e_form, spread = self._energies(candidates)
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
    """The networks of a replay: they start from a given base model and are retrained beside a given training set."""

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
