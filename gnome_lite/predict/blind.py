"""What stands in for networks in campaigns that do not choose by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, ModelRecord, Prediction, TrainingSet
from gnome_lite.pipeline import Acquisition, Hull, PredictionHistory, Progress


class BlindPredictor:
    """`pipeline.Predictor` that predicts 0 eV/atom and never learns: baselines do not pay for networks."""

    def base(self, references: PhaseSet, progress: Progress) -> ModelRecord:
        return ModelRecord("none", "", 0, 0, 0.0)

    def rank(
        self,
        model_id: str,
        candidates: Sequence[Candidate],
        hull: Hull,
        history: PredictionHistory,
        acquisition: Acquisition,
        progress: Progress,
    ) -> list[Prediction]:
        return [Prediction(c.id, 0.0, 0.0, 0.0, 0.0, model_id, 0.0) for c in candidates]

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        return replace(origin, promoted=False)
