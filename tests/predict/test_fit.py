"""The training loop at its edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gnome_lite.assemble import load_references
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict.fit import Schedule, evaluate, fit
from gnome_lite.predict.graph import GraphSet, build_graphs
from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork


@pytest.mark.parametrize("epochs", [1, 2, 9])
def test_short_trainings_have_a_learning_rate(rocksalt: Crystal, epochs: int) -> None:
    """Nine epochs of one batch and a warm-up of 0.1 make a rise of exactly one step."""
    architecture = Architecture(width=8, steps=1)
    network = StructuralNetwork(architecture, Normalisation(1.0, 0.0, 6.0))
    graphs, _ = build_graphs(CrystalBatch.from_crystals([rocksalt, rocksalt]), architecture.cutoff_ang)
    losses: list[float] = []
    schedule = Schedule(epochs, 1e-2, 64, warm_up=0.1)
    targets = np.array([-2.0, -2.0], dtype=np.float32)
    fit(network, graphs, targets, (graphs.take([]), targets[:0]), 4.0, schedule, (0,), lambda _, x: losses.append(x))
    assert len(losses) == epochs
    assert np.isfinite(losses).all()
    assert epochs == 1 or losses[-1] < losses[0]


@pytest.fixture(scope="module")
def labelled() -> tuple[GraphSet, np.ndarray]:
    """Fifty real crystals of the bundled seed and their formation energies."""
    references = load_references()
    which = np.linspace(0, len(references) - 1, 50).astype(int)
    graphs, ok = build_graphs(references.crystals.take(which), 4.0 * Schedule(1, 1.0, 1, volume_jitter=0.2).reach)
    return graphs, references.e_form_ev_per_atom[which][ok].astype(np.float32)


class StoppedError(Exception):
    """Stands for a kill after a whole epoch."""


def train(
    labelled: tuple[GraphSet, np.ndarray],
    state: Path | None,
    stop_after: int = 0,
    patience: int = 0,
    epochs: int = 6,
    mixed: bool | None = None,
):
    graphs, targets = labelled
    torch.manual_seed(0)
    network = StructuralNetwork(Architecture(width=16, steps=2), Normalisation(1.0, -1.0, 12.0))
    held = graphs.take(np.arange(8)).scaled(1.0, 4.0), targets[:8]

    def tell(epoch: int, loss: float) -> None:
        if epoch == stop_after:
            raise StoppedError

    schedule = Schedule(epochs, 3e-3, 16, volume_jitter=0.2, patience=patience)
    history = fit(
        network, graphs.take(np.arange(8, len(graphs))), targets[8:], held, 4.0, schedule, (1, 2), tell, state, mixed
    )
    return history, {k: v.numpy() for k, v in network.state_dict().items()}


def test_a_stopped_training_ends_as_if_it_had_not_stopped(
    labelled: tuple[GraphSet, np.ndarray], tmp_path: Path
) -> None:
    history, weights = train(labelled, None)
    with pytest.raises(StoppedError):
        train(labelled, tmp_path / "state", stop_after=3)
    resumed, same = train(labelled, tmp_path / "state")
    assert resumed == history
    assert all(np.array_equal(weights[k], same[k]) for k in weights)


@pytest.mark.parametrize("mixed", [False, True])
def test_training_lowers_the_loss_on_real_crystals(labelled: tuple[GraphSet, np.ndarray], mixed: bool) -> None:
    """With mixed precision, too, which is for GPUs but runs on a processor."""
    history, _ = train(labelled, None, epochs=25, mixed=mixed)
    assert history[-1][0] < 0.5 * history[0][0]
    assert len(history) == 25


def test_precision_is_mixed_on_no_processor_unless_asked(labelled: tuple[GraphSet, np.ndarray]) -> None:
    by_default, single, mixed = (train(labelled, None, epochs=1, mixed=m)[0] for m in (None, False, True))
    assert by_default == single != mixed


def test_patience_stops_and_keeps_the_best(labelled: tuple[GraphSet, np.ndarray]) -> None:
    graphs, targets = labelled
    history, weights = train((graphs, targets), None, patience=1)
    errors = [error for _, error in history]
    network = StructuralNetwork(Architecture(width=16, steps=2), Normalisation(1.0, -1.0, 12.0)).eval()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    held = evaluate(network, graphs.take(np.arange(8)).scaled(1.0, 4.0))
    assert np.abs(held - targets[:8]).mean() == pytest.approx(min(errors), abs=1e-6)


def test_the_rate_rises_and_falls_once() -> None:
    schedule = Schedule(10, 1e-2, 32)
    rates = [schedule.rate(x) for x in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(4e-4)
    assert max(rates) == pytest.approx(1e-2) == rates[30]
    assert rates[-1] < 1e-6
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
