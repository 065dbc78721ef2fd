"""Several networks as one: the median is the prediction, the interquartile range the uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from gnome_lite.crystals import CrystalBatch
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.graph import GraphSet, build_graphs
from gnome_lite.predict.network import GraphTensors, StructuralNetwork

SCAN_LOWEST, SCAN_HIGHEST = 0.8, 1.2
EDGES_PER_BATCH = 4_000
"""So many edges of width 64 take 1 MB a tensor and stay in a core's cache."""


class Ensemble:
    """The members of one checkpoint, ready to predict."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.card = checkpoint.card
        self.networks = tuple(
            load_network(StructuralNetwork(self.card.architecture, self.card.normalisation), weights)
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
        cutoff = self.card.architecture.cutoff_ang
        # One neighbour list serves all scalings: the reach at the smallest volume, in distances at the natural one.
        graphs, graphable = build_graphs(crystals, cutoff / float(np.cbrt(factors.min())), progress)
        chunks = list(_chunks(graphs))
        median, spread = np.full(len(crystals), np.nan), np.full(len(crystals), np.nan)
        where = np.flatnonzero(graphable)
        done = 0
        with ThreadPoolExecutor(max(1, threads)) as pool:
            curves = pool.map(lambda chunk: self.curves(graphs.take(chunk), factors), chunks)
            for chunk, energies in zip(chunks, curves, strict=True):
                median[where[chunk]], spread[where[chunk]] = lowest_of_median(energies)
                done += len(chunk)
                progress("predict", done, len(graphs), "")
        return median, spread

    def curves(self, graphs: GraphSet, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energies of all members at all volumes, eV/atom, [members, n_factors, n]; NaN where no edge is left."""
        energies = np.full((len(self.networks), len(factors), len(graphs)), np.nan)
        with one_torch_thread(), torch.inference_mode():
            for k, factor in enumerate(factors):
                scaled = graphs.scaled(factor, self.card.architecture.cutoff_ang)
                connected = np.flatnonzero(scaled.n_edges)
                if not len(connected):
                    continue
                tensors = GraphTensors.of(scaled if len(connected) == len(scaled) else scaled.take(connected))
                for m, network in enumerate(self.networks):
                    energies[m, k, connected] = network(tensors).numpy()
        energies[~np.isfinite(energies)] = np.nan
        return energies


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


def _chunks(graphs: GraphSet) -> Iterator[NDArray[np.int64]]:
    """Runs of crystals of about `EDGES_PER_BATCH` edges together."""
    if len(graphs):
        which = (np.cumsum(graphs.n_edges) - graphs.n_edges) // EDGES_PER_BATCH
        yield from np.split(np.arange(len(graphs)), np.flatnonzero(np.diff(which)) + 1)
