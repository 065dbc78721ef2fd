"""Invariances of the network, with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict.graph import build_graphs
from gnome_lite.predict.network import Architecture, Gaussians, GraphTensors, Normalisation, StructuralNetwork, Swish

INVARIANCE_EV_PER_ATOM = 2e-4  # float32; the energies differ by 5 eV/atom
NORMALISATION = Normalisation(scale_ev_per_atom=1.0, shift_ev_per_atom=-1.0, average_adjacency=15.0)


def network(residual: bool = True) -> StructuralNetwork:
    """Weights twice as large as at the start of training: energies then differ by some 5 eV/atom between crystals."""
    torch.manual_seed(0)
    net = StructuralNetwork(Architecture(width=16, residual=residual), NORMALISATION).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.0)
    return net


def crystal(seed: int) -> Crystal:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    lattice = np.eye(3) * rng.uniform(2.8, 3.6, 3) + rng.uniform(-0.4, 0.4, (3, 3))  # short: never without an edge
    return Crystal.make(rng.integers(1, 95, n), rng.random((n, 3)), lattice)


def energies(crystals: list[Crystal], residual: bool = True) -> np.ndarray:
    graphs, ok = build_graphs(CrystalBatch.from_crystals(crystals), 4.0)
    assert ok.all()
    with torch.inference_mode():
        return network(residual)(GraphTensors.of(graphs)).numpy()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_rotation_translation_permutation_and_supercell_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = crystal(seed)
    rotated = Crystal.make(c.numbers, c.frac_coords, c.lattice @ Rotation.random(random_state=seed).as_matrix())
    mirrored = Crystal.make(c.numbers, c.frac_coords, c.lattice * [-1, 1, 1])
    shifted = Crystal.make(c.numbers, c.frac_coords + rng.random(3), c.lattice)
    order = rng.permutation(len(c))
    permuted = Crystal.make(c.numbers[order], c.frac_coords[order], c.lattice)
    supercell = Crystal.from_pymatgen(c.to_pymatgen().make_supercell([2, 1, 3], in_place=False))
    same = energies([c, rotated, mirrored, shifted, permuted, supercell])
    np.testing.assert_allclose(same, same[0], atol=INVARIANCE_EV_PER_ATOM)


@pytest.mark.parametrize("residual", [True, False])
def test_a_crystal_does_not_feel_the_others_of_its_batch(residual: bool) -> None:
    some = [crystal(seed) for seed in range(6)]
    alone = np.concatenate([energies([c], residual) for c in some])
    np.testing.assert_allclose(energies(some, residual), alone, atol=INVARIANCE_EV_PER_ATOM)
    assert np.ptp(alone) > 1.0


def test_energy_is_continuous_where_an_edge_leaves_the_cutoff() -> None:
    def pair(a: float) -> Crystal:
        return Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * a)

    inside, outside = energies([pair(4.0 - 1e-4), pair(4.0 + 1e-4)])  # six more neighbours inside
    assert abs(inside - outside) < 2e-3  # a slope of 3 eV/Å over 2e-4 Å, and no jump


def test_elements_and_distances_matter() -> None:
    c = crystal(3)
    other = Crystal.make(np.where(c.numbers == c.numbers[0], 20, c.numbers), c.frac_coords, c.lattice)
    wider = Crystal.make(c.numbers, c.frac_coords, c.lattice * 1.03)
    here, there, far = energies([c, other, wider])
    assert abs(here - there) > 1e-4
    assert abs(here - far) > 1e-4


def test_direction_of_a_bond_is_told_apart() -> None:
    """Sender and receiver sums are kept apart, so swapping their weights changes the answer."""
    graphs, _ = build_graphs(CrystalBatch.from_crystals([crystal(3)]), 4.0)
    net, tensors = network(), GraphTensors.of(graphs)
    with torch.inference_mode():
        before = net(tensors).item()
        step = net.steps[0]
        step.node_of_sent, step.node_of_received = step.node_of_received, step.node_of_sent
        assert abs(net(tensors).item() - before) > 1e-6


def test_gaussians_and_swish_are_the_published_ones() -> None:
    d = torch.tensor([0.05, 4.0])
    g = Gaussians(4.0)(d)
    assert g.shape == (2, 30)
    torch.testing.assert_close(g[0, 0], torch.tensor(1.0))
    torch.testing.assert_close(g[0, -1], torch.exp(torch.tensor(-((3.95 / 0.5) ** 2))))
    x = torch.randn(5, 3)
    torch.testing.assert_close(Swish(3)(x), torch.nn.functional.silu(x))
    assert Swish(3).beta.requires_grad
