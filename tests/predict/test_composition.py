"""The composition network: what must not matter to it, and the same road from training to disk as structures take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.assemble import load_references
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, formula_counts
from gnome_lite.core.errors import CheckpointError
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import silent
from gnome_lite.predict import checkpoint, composition_ensemble
from gnome_lite.predict.build import Recipe, build, split
from gnome_lite.predict.checkpoint import Checkpoint, ModelCard, model_id
from gnome_lite.predict.composition import (
    CompositionArchitecture,
    CompositionNetwork,
    CompositionSet,
    CompositionTensors,
    lowest_of_formulas,
)
from gnome_lite.predict.composition_ensemble import CompositionEnsemble
from gnome_lite.predict.fit import Schedule, fit
from gnome_lite.predict.graph import MAX_NETWORK_Z, build_graphs
from gnome_lite.predict.kinds import AnyArchitecture, energies, network_of
from gnome_lite.predict.network import Architecture, Normalisation

SAME_EV_PER_ATOM = 1e-5  # float32
GRADIENT_RELATIVE = 1e-6  # float64, central differences
ARCHITECTURE = CompositionArchitecture("composition", width=16, steps=2)
NORMALISATION = Normalisation(1.0, -1.0, 1.0)


def random_network(seed: int = 0) -> CompositionNetwork:
    torch.manual_seed(seed)
    return CompositionNetwork(ARCHITECTURE, NORMALISATION).eval()


def made(architecture: AnyArchitecture = ARCHITECTURE, members: int = 3) -> Checkpoint:
    torch.manual_seed(0)
    weights = tuple(
        {k: v.numpy().copy() for k, v in network_of(architecture, NORMALISATION).state_dict().items()}
        for _ in range(members)
    )
    card = ModelCard(
        id=model_id(architecture, NORMALISATION, weights), level="test", members=members, architecture=architecture,
        normalisation=NORMALISATION, seed=0, epochs=1, learning_rate=0.1, batch_size=4, n_train=3, n_holdout=0,
        train_mae_ev_per_atom=0.1, holdout_mae_ev_per_atom=0.2, recipe="r", data_hash="d",
    )  # fmt: skip
    return Checkpoint(card, weights)


ENSEMBLE = CompositionEnsemble(made())
NETWORK = random_network()
FORMULAS = st.lists(
    st.dictionaries(st.integers(1, MAX_NETWORK_Z), st.integers(1, 12), min_size=1, max_size=6), min_size=1, max_size=6
)


def counts_of(formulas: list[dict[int, int]]) -> np.ndarray:
    counts = np.zeros((len(formulas), MAX_Z + 1), dtype=np.int64)
    for row, formula in zip(counts, formulas, strict=True):
        row[list(formula)] = list(formula.values())
    return counts


@settings(deadline=None)
@given(FORMULAS, st.integers(1, 50))
def test_formula_units_and_neighbours_in_the_batch_do_not_matter(formulas: list[dict[int, int]], units: int) -> None:
    counts = counts_of(formulas)
    together = np.array(ENSEMBLE.predict(counts))
    np.testing.assert_array_equal(np.array(ENSEMBLE.predict(counts * units)), together)
    alone = np.concatenate([np.array(ENSEMBLE.predict(row[None])) for row in counts], axis=1)
    np.testing.assert_allclose(alone, together, atol=SAME_EV_PER_ATOM)


@settings(deadline=None)
@given(FORMULAS, st.randoms(use_true_random=False))
def test_order_of_elements_and_padding_do_not_matter(formulas: list[dict[int, int]], random) -> None:
    one, _ = CompositionSet.of(counts_of(formulas))
    columns = list(range(one.numbers.shape[1] + 2))
    random.shuffle(columns)
    padded = CompositionTensors(
        torch.from_numpy(np.pad(one.numbers, ((0, 0), (0, 2)))[:, columns]),
        torch.from_numpy(np.pad(one.fractions, ((0, 0), (0, 2)))[:, columns]),
    )
    with torch.inference_mode():
        expected = NETWORK(CompositionTensors.of(one))
        np.testing.assert_allclose(NETWORK(padded), expected, atol=SAME_EV_PER_ATOM)


def test_amounts_and_elements_do_matter() -> None:
    counts = np.stack([formula_counts(f) for f in ("Fe2O3", "Fe3O4", "FeO", "CoO", "LiFePO4", "LiFePO5")])
    energy = NETWORK(CompositionTensors.of(CompositionSet.of(counts)[0])).detach().numpy()
    assert np.diff(np.sort(energy)).min() > 10 * SAME_EV_PER_ATOM


def test_gradients_are_those_of_finite_differences() -> None:
    """One direction through all parameters at once, and each of a few parameters alone."""
    network = random_network().double()
    formulas, _ = CompositionSet.of(np.stack([formula_counts(f) for f in ("NaCl", "LiFePO4", "Fe2O3", "Si")]))
    tensors = CompositionTensors.of(formulas)
    tensors = replace(tensors, fractions=tensors.fractions.double())
    parameters = list(network.parameters())
    network(tensors).square().sum().backward()
    rng = np.random.default_rng(0)
    step = 1e-5
    size = sum(p.numel() for p in parameters) ** 0.5
    directions = [[torch.from_numpy(rng.normal(size=tuple(p.shape)) / size) for p in parameters]]
    for chosen in rng.choice(len(parameters), 8, replace=False):
        directions.append([d if i == chosen else torch.zeros_like(d) for i, d in enumerate(directions[0])])
    for direction in directions:
        values = []
        for sign in (1, -2):  # one step ahead, then one behind the start
            with torch.no_grad():
                for parameter, d in zip(parameters, direction, strict=True):
                    parameter.add_(sign * step * d)
                values.append(float(network(tensors).square().sum()))
        with torch.no_grad():
            for parameter, d in zip(parameters, direction, strict=True):
                parameter.add_(step * d)
        # The last state's perceptron is read by nothing: it has no gradient.
        slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True) if p.grad is not None)
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=GRADIENT_RELATIVE, abs=1e-7)


def test_a_formula_that_cannot_be_read_is_nan_and_costs_only_itself() -> None:
    sound = formula_counts("NaCl")
    heavy, negative, ghost = sound.copy(), sound.copy(), sound.copy()
    heavy[MAX_NETWORK_Z + 1] = 1
    negative[8] = -1
    ghost[0] = 1
    median, spread = ENSEMBLE.predict(np.stack([heavy, sound, negative, np.zeros_like(sound), ghost]))
    assert np.isfinite(median).tolist() == np.isfinite(spread).tolist() == [False, True, False, False, False]
    assert median[1] == ENSEMBLE.predict(sound[None])[0][0]
    assert [len(x) for x in ENSEMBLE.predict(np.zeros((0, MAX_Z + 1), dtype=np.int64))] == [0, 0]


def test_an_ensemble_is_its_members_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    counts = np.zeros((50, MAX_Z + 1), dtype=np.int64)
    for row in counts:
        row[rng.choice(np.arange(1, MAX_NETWORK_Z + 1), rng.integers(1, 7), replace=False)] = 1
    monkeypatch.setattr(composition_ensemble, "FORMULAS_AT_ONCE", 7)
    median, spread = CompositionEnsemble(made()).predict(counts)
    alone = []
    for weights in made().weights:
        network = random_network()
        network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        alone.append([network(CompositionTensors.of(CompositionSet.of(row[None])[0])).item() for row in counts])
    np.testing.assert_allclose(median, np.median(alone, axis=0), atol=SAME_EV_PER_ATOM)
    np.testing.assert_allclose(spread, np.subtract(*np.percentile(alone, [75, 25], axis=0)), atol=SAME_EV_PER_ATOM)


def test_of_each_formula_the_lowest_energy_is_learnt() -> None:
    def crystal(*numbers: int) -> Crystal:
        return Crystal.make(numbers, np.random.default_rng(0).random((len(numbers), 3)), np.eye(3) * 4)

    crystals = CrystalBatch.from_crystals(
        [crystal(11, 17), crystal(17, 11, 17, 11), crystal(8, 8, 22), crystal(96, 8), crystal(11, 17)]
    )
    formulas, lowest = lowest_of_formulas(TrainingSet(crystals, np.array([-2.0, -2.5, -3.0, -4.0, -1.0])))
    found = {tuple(z[z > 0].tolist()): e for z, e in zip(formulas.numbers, lowest, strict=True)}
    assert found == {(11, 17): -2.5, (8, 22): -3.0}
    np.testing.assert_allclose(formulas.fractions.sum(axis=1), 1.0, atol=1e-7)


@pytest.fixture(scope="module")
def real() -> TrainingSet:
    """Three hundred crystals of the bundled seed."""
    references = load_references()
    which = np.linspace(0, len(references) - 1, 300).astype(int)
    return TrainingSet(references.crystals.take(which), references.e_form_ev_per_atom[which])


def test_training_lowers_the_loss_on_real_formulas_the_same_way_each_time(real: TrainingSet, tmp_path: Path) -> None:
    formulas, targets = lowest_of_formulas(real)
    runs = []
    for _ in range(2):
        network = random_network()
        history = fit(
            network, formulas, targets.astype(np.float32), (formulas.take([]), targets[:0].astype(np.float32)), 0.0,
            Schedule(15, 5e-3, 32, volume_jitter=0.2), (1, 2), lambda *_: None,
        )  # fmt: skip
        runs.append((history, {k: v.numpy().copy() for k, v in network.state_dict().items()}))
    losses = [loss for loss, _ in runs[0][0]]
    assert losses[-1] < 0.5 * losses[0]
    assert losses == [loss for loss, _ in runs[1][0]]
    assert all(np.array_equal(runs[0][1][k], runs[1][1][k]) for k in runs[0][1])


def test_training_disk_and_retraining_are_those_of_structures(real: TrainingSet, tmp_path: Path) -> None:
    recipe = Recipe("test", ARCHITECTURE, Schedule(3, 5e-3, 32), 1, 0)
    built = build(real, split(real)[1], recipe, None, tmp_path / "first", 2, silent, "train")
    checkpoint.write(built, tmp_path / "model")
    read = checkpoint.read(tmp_path / "model")
    assert read.card == built.card
    assert read.card.architecture == ARCHITECTURE
    for a, b in zip(read.weights, built.weights, strict=True):
        assert all(np.array_equal(a[k], b[k]) for k in a)
    held, targets = lowest_of_formulas(split(real)[1])
    counts = np.stack([np.bincount(z, w, MAX_Z + 1) for z, w in zip(held.numbers, held.fractions, strict=True)])
    median, _ = CompositionEnsemble(read).predict(counts)
    assert read.card.n_holdout == len(targets)
    assert np.abs(median - targets).mean() == pytest.approx(read.card.holdout_mae_ev_per_atom, abs=1e-5)
    again = build(real, read.holdout, recipe, read, tmp_path / "second", 2, silent, "learn")
    assert again.card.base_id == read.card.id
    assert again.card.normalisation == read.card.normalisation
    assert again.card.train_mae_ev_per_atom < read.card.train_mae_ev_per_atom


@pytest.mark.parametrize("architecture", [ARCHITECTURE, Architecture(width=8, steps=1)])
def test_a_card_knows_its_kind(architecture: AnyArchitecture, tmp_path: Path) -> None:
    checkpoint.write(made(architecture), tmp_path / "model")
    assert checkpoint.read(tmp_path / "model").card.architecture == architecture


def test_the_wrong_kind_is_refused(rocksalt: Crystal) -> None:
    with pytest.raises(CheckpointError, match="reads structures"):
        CompositionEnsemble(made(Architecture(width=8, steps=1)))
    graphs, _ = build_graphs(CrystalBatch.from_crystals([rocksalt]), 4.0)
    with pytest.raises(TypeError, match="cannot read a GraphSet"):
        energies(NETWORK, graphs)
