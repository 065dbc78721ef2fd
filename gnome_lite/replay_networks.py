"""What a replay predicts with: networks asked once of a whole universe, their answers kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import CrystalBatch
from gnome_lite.errors import ConfigError
from gnome_lite.pipeline import Predictor, Progress, silent
from gnome_lite.records import ModelRecord
from gnome_lite.universe import Universe

Answers = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(slots=True)
class ReplayNetworks:
    """`replay.Networks`.

    Attributes:
        base: the ensemble that a campaign starts from.
        compositions: atom counts [n, MAX_Z + 1] -> formation energy of the best structure and spread, eV/atom, [n]
            each; None where no composition networks are shipped for the level.
        kept: directory of answers.
    """

    predictor: Predictor
    base: ModelRecord
    universe: Universe
    compositions: Callable[[NDArray[np.int64]], Answers] | None
    kept: Path
    _crystals: CrystalBatch = field(init=False)
    _said: dict[str, Answers] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._crystals = self.universe.crystals

    def structural(self, model_id: str, progress: Progress = silent) -> Answers:
        """Formation energy and spread, eV/atom, [n] each."""
        if model_id not in self._said:
            path = self.kept / f"{self.universe.id}-{model_id}.npz"
            said = _read(path, len(self._crystals))
            if said is None:
                said = self.predictor.predict(model_id, self._crystals, progress)
                _write(path, said)
            self._said = {k: v for k, v in self._said.items() if k == self.base.id} | {model_id: said}
        return self._said[model_id]

    def composition(self) -> Answers:
        """Formation energy of each formula's best structure and spread, eV/atom, [n] each.

        Raises:
            ConfigError: if there are no composition networks.
        """
        if self.compositions is None:
            raise ConfigError(
                f"no composition networks are shipped for level {self.universe.level}: leave the strategy "
                "composition out, or train them (gnome-lite train --compositions)"
            )
        if "composition" not in self._said:
            self._said["composition"] = self.compositions(self._crystals.counts)
        return self._said["composition"]


def _read(path: Path, n: int) -> Answers | None:
    """None where nothing sound is kept."""
    try:
        with np.load(path, allow_pickle=False) as file:
            e_form, spread = file["e_form_ev_per_atom"], file["spread_ev_per_atom"]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return (e_form, spread) if len(e_form) == len(spread) == n else None


def _write(path: Path, said: Answers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(file, e_form_ev_per_atom=said[0], spread_ev_per_atom=said[1])
    os.replace(partial, path)
