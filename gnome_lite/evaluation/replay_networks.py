"""What a replay predicts with: networks asked once of a whole labelled pool, their answers kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import ModelRecord, TrainingSet
from gnome_lite.evaluation.labelled_pool import LabelledPool
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.prediction_cache import CachedPrediction, keep_cached, read_cached

if TYPE_CHECKING:
    from gnome_lite.predict.predictor import EnsemblePredictor


@dataclass(slots=True)
class ReplayNetworks:
    """`replay.Networks`.

    Attributes:
        base: the ensemble that a campaign starts from.
        known: what it was trained on and is rehearsed beside what was verified.
        compositions: atom counts [n, MAX_Z + 1] -> formation energy of the best structure and spread, eV/atom, [n]
            each; None where no composition networks are shipped for the level.
        kept: directory of answers.
    """

    predictor: EnsemblePredictor
    base: ModelRecord
    known: TrainingSet
    labelled: LabelledPool
    compositions: Callable[[NDArray[np.int64]], CachedPrediction] | None
    kept: Path
    _crystals: CrystalBatch = field(init=False)
    _said: dict[str, CachedPrediction] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._crystals = self.labelled.crystals

    def structural(self, model_id: str, progress: Progress = silent) -> CachedPrediction:
        """Formation energy and spread, eV/atom, [n] each."""
        if model_id not in self._said:
            path = self.kept / f"{self.labelled.id}-{model_id}.npz"
            said = read_cached(path, len(self._crystals))
            if said is None:
                said = self.predictor.predict(model_id, self._crystals, progress)
                keep_cached(path, said)
            self._said = {k: v for k, v in self._said.items() if k == self.base.id} | {model_id: said}
        return self._said[model_id]

    def composition(self) -> CachedPrediction:
        """Formation energy of each formula's best structure and spread, eV/atom, [n] each.

        Raises:
            ConfigError: if there are no composition networks.
        """
        if self.compositions is None:
            raise ConfigError(
                f"no composition networks are shipped for level {self.labelled.level}, or they know more than the "
                "networks are to begin with: leave the strategy composition out"
            )
        if "composition" not in self._said:
            self._said["composition"] = self.compositions(self._crystals.counts)
        return self._said["composition"]
