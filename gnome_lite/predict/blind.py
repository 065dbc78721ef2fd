"""What stands in for networks in campaigns that do not choose by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import ModelRecord, TrainingSet
from gnome_lite.pipeline import Progress, Screen
from gnome_lite.predict.predictor import EnsemblePredictor


class BlindPredictor(EnsemblePredictor):
    """Says 0 eV/atom of everything and never learns: baselines do not pay for what they do not ask."""

    def predict(
        self, model_id: str, crystals: CrystalBatch, progress: Progress, screen: Screen | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.zeros(len(crystals)), np.zeros(len(crystals))

    def retrain(
        self, origin: ModelRecord, known: TrainingSet, new: TrainingSet, seed: int, progress: Progress
    ) -> ModelRecord:
        return replace(origin, promoted=False)
