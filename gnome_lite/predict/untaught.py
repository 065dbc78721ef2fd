"""Networks that a campaign does not choose by, and so does not train."""

from __future__ import annotations

from dataclasses import replace

from gnome_lite.pipeline import Progress
from gnome_lite.predict.predictor import EnsemblePredictor
from gnome_lite.records import ModelRecord, TrainingSet


class UntaughtPredictor(EnsemblePredictor):
    """Predicts as the base does to the end: for baselines that rank by something else."""

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        return replace(origin, promoted=False)
