"""The Δ-model's network: one answer a crystal, whatever stands beside it and in whatever order its atoms come."""

from __future__ import annotations

import pytest
import torch

from gnome_lite.predict.delta_network import DeltaNetwork, DeltaTensors

FEATURES = 6


def tensors(sizes: list[int], seed: int = 0) -> DeltaTensors:
    draw, n = torch.Generator().manual_seed(seed), sum(sizes)
    owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    numbers = torch.randint(1, 90, (n,), generator=draw)
    apart = torch.randn(len(sizes), generator=draw) * 0.03
    return DeltaTensors(torch.randn(n, FEATURES, generator=draw), numbers, owner, torch.tensor(sizes), apart)


@pytest.fixture
def network() -> DeltaNetwork:
    torch.manual_seed(1)
    made = DeltaNetwork(FEATURES, 16).eval()
    torch.nn.init.normal_(made.site.weight)
    return made


@torch.inference_mode()
def test_crystals_do_not_see_each_other(network: DeltaNetwork) -> None:
    both = tensors([3, 5])
    alone = DeltaTensors(
        both.atoms[3:], both.numbers[3:], both.owner[3:] - 1, both.sizes[1:], both.difference_ev_per_atom[1:]
    )
    for together, apart in zip(network(both), network(alone), strict=True):
        assert torch.allclose(together[1:], apart, atol=1e-6)


@torch.inference_mode()
def test_neither_order_nor_repetition_of_atoms_matters(network: DeltaNetwork) -> None:
    x = tensors([4])
    order = torch.tensor([2, 0, 3, 1, 2, 0, 3, 1])
    doubled = DeltaTensors(
        x.atoms[order], x.numbers[order], torch.zeros(8, dtype=torch.int64), torch.tensor([8]), x.difference_ev_per_atom
    )
    for once, twice in zip(network(x), network(doubled), strict=True):
        assert torch.allclose(once, twice, atol=1e-5)


def test_scales_are_positive_and_gradients_reach_all(network: DeltaNetwork) -> None:
    correction, scale = network(tensors([2, 3, 1]))
    assert (scale > 0).all()
    (correction.abs() / scale + scale.log()).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
