"""Formation energies of formulas by an ensemble: which compositions are worth a random structure search."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gnome_lite.core.errors import CheckpointError
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.composition import (
    CompositionArchitecture,
    CompositionNetwork,
    CompositionSet,
    CompositionTensors,
)
from gnome_lite.predict.kinds import load_weights

FORMULAS_AT_ONCE = 1024
"""So many formulas of four elements make 4 MB of messages of width 64."""


class CompositionEnsemble:
    """The members of one checkpoint of composition networks, ready to predict.

    Raises:
        CheckpointError: if the checkpoint holds networks of another kind.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.card = checkpoint.card
        architecture = self.card.architecture
        if not isinstance(architecture, CompositionArchitecture):
            raise CheckpointError(f"model {self.card.id} reads structures: name one that was trained on compositions")
        self.networks = tuple(
            load_weights(CompositionNetwork(architecture, self.card.normalisation), weights)
            for weights in checkpoint.weights
        )

    def predict(self, counts: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest formation energy that a formula's structures reach, and how far the members disagree.

        Args:
            counts: atoms by atomic number, [n, MAX_Z + 1], of any number of formula units.

        Returns:
            Median and interquartile range of the members, eV/atom, [n] each; NaN for a formula that is empty or has
            an element the networks do not know.
        """
        median, spread = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
        for start in range(0, len(counts), FORMULAS_AT_ONCE):
            formulas, usable = CompositionSet.of(counts[start : start + FORMULAS_AT_ONCE])
            if len(formulas):
                where = start + np.flatnonzero(usable)
                lower, median[where], upper = np.quantile(self.members(formulas), [0.25, 0.5, 0.75], axis=0)
                spread[where] = upper - lower
        return median, spread

    def members(self, formulas: CompositionSet) -> NDArray[np.float64]:
        """What each member says, eV/atom, [members, n]."""
        tensors = CompositionTensors.of(formulas)
        with torch.inference_mode():
            return np.stack([network(tensors).numpy() for network in self.networks]).astype(np.float64)
