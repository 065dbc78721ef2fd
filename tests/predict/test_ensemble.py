"""Median, spread and volume scan, and that nothing but the crystals decides the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict import ensemble
from gnome_lite.predict.checkpoint import Checkpoint, ModelCard, model_id
from gnome_lite.predict.ensemble import (
    IQR_PER_DEVIATION,
    Ensemble,
    lowest_of_median,
    median_and_spread,
    stacked,
    volume_factors,
)
from gnome_lite.predict.graph import build_graphs
from gnome_lite.predict.network import Architecture, GraphTensors, Normalisation, StructuralNetwork

SAME_EV_PER_ATOM = 1e-5  # float32


def random_ensemble(members: int = 3) -> Ensemble:
    torch.manual_seed(1)
    architecture, normalisation = Architecture(width=8, steps=2), Normalisation(1.0, 0.0, 12.0)
    weights = tuple(
        {k: v.numpy().copy() for k, v in StructuralNetwork(architecture, normalisation).state_dict().items()}
        for _ in range(members)
    )
    card = ModelCard(
        id=model_id(architecture, normalisation, weights), level="test", members=members, architecture=architecture,
        normalisation=normalisation, seed=0, epochs=1, learning_rate=0.1, batch_size=4, n_train=1, n_holdout=0,
        train_mae_ev_per_atom=0.1, holdout_mae_ev_per_atom=0.1, recipe="", data_hash="",
    )  # fmt: skip
    return Ensemble(Checkpoint(card, weights))


def crystals(n: int = 12) -> CrystalBatch:
    rng = np.random.default_rng(4)
    return CrystalBatch.from_crystals(
        Crystal.make(rng.integers(1, 80, k), rng.random((k, 3)), np.eye(3) * rng.uniform(3.0, 4.4))
        for k in rng.integers(1, 5, n)
    )


def test_the_scan_is_the_minimum_of_medians_of_plainly_scaled_crystals() -> None:
    model, batch = random_ensemble(), crystals()
    curves = np.full((3, 5, len(batch)), np.nan)
    for k, factor in enumerate(volume_factors(5)):
        graphs, ok = build_graphs(batch.scaled(factor), 4.0)
        for m, network in enumerate(model.networks):
            with torch.inference_mode():
                curves[m, k, ok] = network(GraphTensors.of(graphs)).numpy()
    expected = np.nanmin(np.median(curves, axis=0), axis=0)
    np.testing.assert_allclose(model.predict(batch, volume_scan=5)[0], expected, atol=SAME_EV_PER_ATOM)


def test_median_and_spread_are_those_of_all_members_at_three_volumes() -> None:
    model, batch = random_ensemble(), crystals()
    said = np.concatenate([model.energies(batch.scaled(f), np.ones(1))[:, 0] for f in (0.88, 1.0, 1.12)])
    e_form, spread = model.predict(batch)
    np.testing.assert_allclose(e_form, np.nanmedian(said, axis=0), atol=SAME_EV_PER_ATOM)
    deviation = np.nanmean(np.abs(said - np.nanmedian(said, axis=0)), axis=0)
    np.testing.assert_allclose(spread, IQR_PER_DEVIATION * deviation, atol=SAME_EV_PER_ATOM)
    assert (spread > 0).all()
    np.testing.assert_array_equal(model.predict(batch, volume_scan=5)[1], spread)


def test_the_spread_of_normal_numbers_is_their_interquartile_range() -> None:
    numbers = np.random.default_rng(0).normal(3.0, 0.2, (1000, 3, 50))
    median, spread = median_and_spread(numbers)
    np.testing.assert_allclose(median, 3.0, atol=0.02)
    np.testing.assert_allclose(spread, 0.2 * 1.349, rtol=0.05)


def test_twenty_volumes_from_80_to_120_percent() -> None:
    factors = volume_factors(20)
    assert (len(factors), factors[0], factors[-1]) == (20, 0.8, 1.2)
    np.testing.assert_array_equal(volume_factors(1), [1.0])


def test_batches_threads_and_order_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = random_ensemble(), crystals(20)
    one = np.array(model.predict(batch, 3))
    with monkeypatch.context() as patch:
        patch.setattr(ensemble, "EDGES_PER_BATCH", 50)
        np.testing.assert_allclose(np.array(model.predict(batch, 3, threads=2)), one, atol=SAME_EV_PER_ATOM)
    order = np.random.default_rng(0).permutation(len(batch))
    np.testing.assert_allclose(np.array(model.predict(batch.take(order), 3)), one[:, order], atol=SAME_EV_PER_ATOM)
    np.testing.assert_array_equal(np.array(model.predict(batch, 3)), one)


def test_a_crystal_without_graph_is_nan_and_costs_only_itself() -> None:
    model, batch = random_ensemble(), crystals()
    lonely = Crystal.make([3], [[0, 0, 0]], np.eye(3) * 9)
    heavy = Crystal.make([98], [[0, 0, 0]], np.eye(3) * 3)
    broken = Crystal(np.array([3]), np.full((1, 3), np.nan), np.eye(3) * 3)
    mixed = CrystalBatch.concatenate([CrystalBatch.from_crystals([lonely, heavy, broken]), batch])
    median, spread = model.predict(mixed, 4)
    assert np.isnan(median[:3]).all()
    assert np.isnan(spread[:3]).all()
    np.testing.assert_allclose(median[3:], model.predict(batch, 4)[0], atol=SAME_EV_PER_ATOM)
    assert [len(a) for a in model.predict(CrystalBatch.empty(), 4)] == [0, 0]


def test_a_volume_at_which_edges_are_lost_does_not_count() -> None:
    barely = CrystalBatch.from_crystals([Crystal.make([3], [[0, 0, 0]], np.eye(3) * 3.95)])
    median, _ = random_ensemble().predict(barely, 20)  # no edge from 104 % on
    assert np.isfinite(median).all()
    energies = np.array([[[np.nan], [1.0], [3.0]], [[-5.0], [2.0], [4.0]]])
    assert lowest_of_median(energies)[0] == 1.5
    assert np.isnan(lowest_of_median(np.full((2, 3, 1), np.nan))[0])


def test_the_callers_torch_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    random_ensemble().predict(crystals(), 2)
    assert torch.get_num_threads() == before


def test_stacked_members_are_the_members_one_by_one() -> None:
    model = random_ensemble()
    tensors = GraphTensors.of(build_graphs(crystals(), 4.0)[0])
    with torch.inference_mode():
        one_by_one = torch.stack([network(tensors) for network in model.networks])
        together = stacked(model.networks, tensors)
    np.testing.assert_allclose(together.numpy(), one_by_one.numpy(), atol=SAME_EV_PER_ATOM)


def test_some_members_at_some_volumes() -> None:
    model, batch = random_ensemble(), crystals()
    every = model.energies(batch, volume_factors(5))
    some = model.energies(batch, volume_factors(5)[[1, 3]], [2])
    np.testing.assert_allclose(some[0], every[2, [1, 3]], atol=SAME_EV_PER_ATOM)


def test_what_was_never_seen_is_out_of_domain() -> None:
    model = random_ensemble()
    model = Ensemble(
        Checkpoint(
            model.card.model_copy(update={"elements": ("Li", "O")}),
            tuple({k: v.numpy() for k, v in n.state_dict().items()} for n in model.networks),
        )
    )
    known, strange = (Crystal.make(z, [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 3.5) for z in ([3, 8], [3, 44]))
    assert model.out_of_domain(known) == ""
    assert model.out_of_domain(strange) == "out of domain: trained on few compounds or none with Ru"
    assert "no two atoms within 4 Å" in model.out_of_domain(known, predicted=False)
    e_form, _ = model.predict(CrystalBatch.from_crystals([known, strange]))
    assert np.isfinite(e_form).all()  # an answer, with a flag
