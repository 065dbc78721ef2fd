"""Several networks as one: the median is the prediction, the interquartile range the uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnome_lite.crystals import CrystalBatch
from gnome_lite.errors import CheckpointError
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.graph import GraphSet, build_graphs
from gnome_lite.predict.network import Architecture, GraphTensors, StructuralNetwork

SCAN_LOWEST, SCAN_HIGHEST = 0.8, 1.2
EDGES_PER_BATCH = 4_000
"""So many edges of width 64 take 1 MB a tensor and stay in a core's cache."""
EDGES_PER_GPU_BATCH = 400_000
CRYSTALS_AT_ONCE = 2_000
"""Graphs are built for so many crystals at a time: memory does not grow with the number of crystals."""


class Ensemble:
    """The members of one checkpoint, ready to predict.

    On a CPU the members are asked one after another: they share the graph, whose tensors stay in the core's cache,
    and one product of stacked weights is slower there (`benchmarks/prediction_speed.py`). On a GPU they are one
    computation with stacked weights.

    Args:
        device: "cpu" or "cuda"; None takes CUDA if there is a GPU.
    """

    def __init__(self, checkpoint: Checkpoint, device: str | None = None) -> None:
        self.card = checkpoint.card
        architecture = self.card.architecture
        if not isinstance(architecture, Architecture):
            raise CheckpointError(f"model {self.card.id} is of formulas, not of structures: name a structural one")
        self.cutoff_ang = architecture.cutoff_ang
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.networks = tuple(
            load_network(StructuralNetwork(architecture, self.card.normalisation), weights).to(self.device)
            for weights in checkpoint.weights
        )

    def predict(
        self, crystals: CrystalBatch, volume_scan: int = 20, threads: int = 1, progress: Progress = silent
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Formation energy after relaxation, and its spread.

        An unrelaxed crystal is looked at in `volume_scan` isotropic scalings, 80-120 % of its volume (GNoME's
        test-time augmentation), and stands at the lowest of the *median curve*; the spread is the
        interquartile range of the members there. The minimum of the median, rather than the median of each
        member's minimum, because one member that dips at a volume it has never seen is then outvoted.

        Args:
            volume_scan: number of scalings; 1 predicts the crystals as they are.
            threads: chunks of crystals predicted side by side; the result does not depend on it.

        Returns:
            Median and interquartile range, eV/atom, [n] each; NaN for crystals without a graph.
        """
        factors = volume_factors(volume_scan)
        median, spread = np.full(len(crystals), np.nan), np.full(len(crystals), np.nan)
        for start in range(0, len(crystals), CRYSTALS_AT_ONCE):
            block = np.arange(start, min(start + CRYSTALS_AT_ONCE, len(crystals)))
            median[block], spread[block] = lowest_of_median(self.energies(crystals.take(block), factors, None, threads))
            progress("predict", int(block[-1]) + 1, len(crystals), "")
        return median, spread

    def energies(
        self,
        crystals: CrystalBatch,
        factors: NDArray[np.float64],
        members: Sequence[int] | None = None,
        threads: int = 1,
    ) -> NDArray[np.float64]:
        """Energies at some volumes, eV/atom, [members, n_factors, n]; NaN where a crystal has no edge.

        Args:
            factors: of the volume, [n_factors] or [n_factors, n]; those that are NaN are left out.
            members: which networks; None asks all.
        """
        cutoff = self.cutoff_ang
        energies = np.full((len(self._asked(members)), len(factors), len(crystals)), np.nan)
        if not np.isfinite(factors).any():
            return energies
        # One neighbour list serves all scalings: the reach at the smallest volume, in distances at the natural one.
        graphs, graphable = build_graphs(crystals, cutoff / float(np.cbrt(np.nanmin(factors))))
        where = np.flatnonzero(graphable)
        factors = np.broadcast_to(np.reshape(factors, (len(factors), -1)), energies.shape[1:])

        def curves(chunk: NDArray[np.int64]) -> NDArray[np.float64]:
            return self.curves(graphs.take(chunk), factors[:, where[chunk]], members)

        chunks = list(_chunks(graphs, EDGES_PER_BATCH if self.device == "cpu" else EDGES_PER_GPU_BATCH))
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for chunk, part in zip(chunks, pool.map(curves, chunks), strict=True):
                energies[:, :, where[chunk]] = part
        return energies

    def curves(
        self, graphs: GraphSet, factors: NDArray[np.float64], members: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """As `energies`, of graphs that reach far enough."""
        asked = self._asked(members)
        factors = np.broadcast_to(np.reshape(factors, (len(factors), -1)), (len(factors), len(graphs)))
        energies = np.full((len(asked), len(factors), len(graphs)), np.nan)
        with one_torch_thread(), torch.inference_mode():
            for k, factor in enumerate(factors):
                known = np.isfinite(factor)
                if not known.any():
                    continue
                scaled = graphs.scaled(np.where(known, factor, 1.0), self.cutoff_ang)
                connected = np.flatnonzero((scaled.n_edges > 0) & known)
                if not len(connected):
                    continue
                whole = len(connected) == len(scaled)
                tensors = GraphTensors.of(scaled if whole else scaled.take(connected), self.device)
                if self.device == "cpu" or len(asked) == 1:
                    for m, member in enumerate(asked):
                        energies[m, k, connected] = self.networks[member](tensors).cpu().numpy()
                else:
                    energies[:, k, connected] = stacked([self.networks[m] for m in asked], tensors).cpu().numpy()
        energies[~np.isfinite(energies)] = np.nan
        return energies

    def _asked(self, members: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.networks)) if members is None else members


def stacked(networks: Sequence[StructuralNetwork], graph: GraphTensors) -> Tensor:
    """Energies of several networks of one architecture as one computation, eV/atom, [members, n]."""
    parameters, buffers = torch.func.stack_module_state(list(networks))

    def one(weights: dict[str, Tensor], constants: dict[str, Tensor]) -> Tensor:
        return cast(Tensor, torch.func.functional_call(networks[0], (weights, constants), (graph,)))

    return torch.func.vmap(one)(parameters, buffers)


def volume_factors(n: int) -> NDArray[np.float64]:
    """n volume factors between 0.8 and 1.2; the natural volume for n = 1."""
    return np.linspace(SCAN_LOWEST, SCAN_HIGHEST, n) if n > 1 else np.ones(1)


def lowest_of_median(energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and interquartile range over the members at the volume where the median is lowest.

    Args:
        energies: eV/atom, [members, n_factors, n]; a volume at which any member is NaN does not count.

    Returns:
        Each [n]; NaN where no volume counts.
    """
    curve = np.median(energies, axis=0)
    best = np.where(np.isfinite(curve), curve, np.inf).argmin(axis=0)
    columns = np.arange(energies.shape[2])
    upper, lower = np.quantile(energies[:, best, columns], [0.75, 0.25], axis=0)
    return curve[best, columns], upper - lower


def load_network(network: StructuralNetwork, weights: dict[str, NDArray[np.float32]]) -> StructuralNetwork:
    """Put weights into a network and make it ready to predict."""
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    return network.eval()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Two torch threads are many times slower than one on small graphs; the caller's setting is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _chunks(graphs: GraphSet, n_edges: int) -> Iterator[NDArray[np.int64]]:
    """Runs of crystals of about `n_edges` edges together."""
    if len(graphs):
        which = (np.cumsum(graphs.n_edges) - graphs.n_edges) // n_edges
        yield from np.split(np.arange(len(graphs)), np.flatnonzero(np.diff(which)) + 1)
