"""A crystal graph convolutional network (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)) on the same split.

Three convolutions of PyTorch Geometric's `CGConv` on the 12 nearest neighbours within 6 Å, 64 features, trained with
the shipped networks' loss, optimiser and one-cycle schedule.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from gnome_lite.core.records import TrainingSet
from gnome_lite.predict.graph import GraphSet, build_graphs

WIDTH, CONVOLUTIONS, HIDDEN, NEIGHBOURS, CUTOFF_ANG = 64, 3, 128, 12, 6.0
BATCH_SIZE, LEARNING_RATE = 64, 2e-3


class Cgcnn(nn.Module):
    """Formation energies, eV/atom, in units of a scale about a mean."""

    centres: Tensor

    def __init__(self, mean: float, scale: float) -> None:
        from torch_geometric.nn import CGConv

        super().__init__()
        self.mean, self.scale = mean, scale
        self.register_buffer("centres", torch.linspace(0, CUTOFF_ANG, 41))
        self.embed = nn.Embedding(100, WIDTH)
        convolution: Callable[..., nn.Module] = CGConv  # whose base class has methods that it need not have
        self.convolve = nn.ModuleList(convolution(WIDTH, dim=41, batch_norm=True) for _ in range(CONVOLUTIONS))
        self.read = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, 1))

    def forward(self, graphs: GraphSet) -> Tensor:
        crystal = torch.from_numpy(np.repeat(np.arange(len(graphs)), graphs.n_atoms))
        first = np.repeat(np.cumsum(graphs.n_atoms) - graphs.n_atoms, graphs.n_edges)
        edges = torch.from_numpy(np.stack([graphs.senders + first, graphs.receivers + first]))
        step = CUTOFF_ANG / 40
        distances = torch.from_numpy(graphs.distances)[:, None]
        features = torch.exp(-(((distances - self.centres) / step) ** 2))
        atoms = self.embed(torch.from_numpy(graphs.numbers))
        for convolution in self.convolve:
            atoms = convolution(atoms, edges, features)
        size = torch.from_numpy(graphs.n_atoms.astype(np.float32))[:, None]
        pooled = torch.zeros(len(graphs), WIDTH).index_add(0, crystal, atoms) / size
        return self.mean + self.scale * self.read(pooled)[:, 0]


def train(training: TrainingSet, epochs: int, seed: int = 0) -> Callable[[TrainingSet], np.ndarray]:
    """A network trained here: crystals -> formation energies, eV/atom, [n]; NaN for those without a neighbour."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    known, ok = _graphs(training)
    y = torch.from_numpy(training.e_form_ev_per_atom[ok].astype(np.float32))
    network = Cgcnn(float(y.mean()), float(y.std()))
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-2)
    batches = max(1, len(known) // BATCH_SIZE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, epochs * batches)
    for _ in range(epochs):
        for index in np.array_split(rng.permutation(len(known)), batches):
            loss = (network(known.take(index)) - y[index]).abs().mean() / network.scale
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cycle.step()
    network.eval()

    def predict(crystals: TrainingSet) -> np.ndarray:
        judged, ok = _graphs(crystals)
        found = np.full(len(crystals), np.nan)
        with torch.inference_mode():
            parts = np.array_split(np.arange(len(judged)), max(1, len(judged) // BATCH_SIZE))
            found[ok] = np.concatenate([network(judged.take(index)).numpy() for index in parts])
        return found

    return predict


def _graphs(data: TrainingSet) -> tuple[GraphSet, np.ndarray]:
    """Of each atom the nearest neighbours only."""
    graphs, ok = build_graphs(data.crystals, CUTOFF_ANG)
    first = np.repeat(np.cumsum(graphs.n_atoms) - graphs.n_atoms, graphs.n_edges)
    atom = first + graphs.receivers
    order = np.lexsort((graphs.distances, atom))
    start = np.concatenate([[0], np.flatnonzero(np.diff(atom[order])) + 1])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(start, np.diff([*start, len(order)]))
    near = rank < NEIGHBOURS
    crystal = np.repeat(np.arange(len(graphs)), graphs.n_edges)
    n_edges = np.bincount(crystal[near], minlength=len(graphs))
    return (
        GraphSet(
            graphs.numbers,
            graphs.n_atoms,
            graphs.senders[near],
            graphs.receivers[near],
            graphs.distances[near],
            graphs.directions[near],
            n_edges,
        ),
        ok,
    )
