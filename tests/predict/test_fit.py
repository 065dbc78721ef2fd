"""The training loop at its edges."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.crystals import Crystal, CrystalBatch
from gnome_lite.predict.fit import Schedule, fit
from gnome_lite.predict.graph import build_graphs
from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork


@pytest.mark.parametrize("epochs", [1, 2, 9])
def test_short_trainings_have_a_learning_rate(rocksalt: Crystal, epochs: int) -> None:
    """Nine epochs of one batch and a warm-up of 0.1 make a rise of exactly one step."""
    architecture = Architecture(width=8, steps=1)
    network = StructuralNetwork(architecture, Normalisation(1.0, 0.0, 6.0))
    graphs, _ = build_graphs(CrystalBatch.from_crystals([rocksalt, rocksalt]), architecture.cutoff_ang)
    losses: list[float] = []
    schedule = Schedule(epochs, 1e-2, 64, warm_up=0.1)
    fit(network, graphs, np.array([-2.0, -2.0]), architecture.cutoff_ang, schedule, (0,), lambda _, x: losses.append(x))
    assert len(losses) == epochs
    assert np.isfinite(losses).all()
    assert epochs == 1 or losses[-1] < losses[0]
