"""Several networks as one: the median of what they say is the prediction, how far they are apart its spread."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, symbol
from gnome_lite.core.errors import CheckpointError
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.graph import GraphSet, build_graphs
from gnome_lite.predict.kinds import load_weights
from gnome_lite.predict.network import Architecture, GraphTensors, StructuralNetwork

VOLUMES = np.array([0.88, 1.0, 1.12])
"""Every crystal is looked at at these, in units of its own. The networks are taught to answer with the relaxed energy
whatever the volume: where their answers differ between volumes or members they guess. Beside the members at one volume
such a spread is the better guide to the error (rank correlation 0.36 after 0.29; `benchmarks/prediction_dft.py`)."""
SCAN_LOWEST, SCAN_HIGHEST = 0.8, 1.2
IQR_PER_DEVIATION = 1.6908
"""Interquartile range of a normal distribution of mean absolute deviation 1."""
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
        seen = [not self.card.elements or symbol(z) in self.card.elements for z in range(1, MAX_Z + 1)]
        self._unseen = ~np.array([True, *seen])
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.networks = tuple(
            load_weights(StructuralNetwork(architecture, self.card.normalisation), weights).to(self.device)
            for weights in checkpoint.weights
        )

    def predict(
        self, crystals: CrystalBatch, volume_scan: int = 0, threads: int = 1, progress: Progress = silent
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict formation energies after relaxation, and their spreads; see `median_and_spread`.

        Args:
            volume_scan: GNoME's test-time augmentation: so many isotropic scalings, 80-120 % of the volume, and the
                lowest of the *median curve* is the prediction. (The minimum of the median, rather than the median of
                each member's minimum: one member that dips at a volume it has never seen is then outvoted.)
                1 predicts the crystals as they are; 0 takes the median over `VOLUMES` too.
            threads: chunks of crystals predicted side by side; the result does not depend on it.

        Returns:
            Prediction and spread, eV/atom, [n] each; NaN for crystals without a graph.
        """
        factors = np.concatenate([VOLUMES, volume_factors(volume_scan)])
        energies = self.energies(crystals, factors, None, threads, progress)
        e_form, spread = median_and_spread(energies[:, : len(VOLUMES)])
        if volume_scan:
            e_form = lowest_of_median(energies[:, len(VOLUMES) :])
        return e_form, np.where(np.isfinite(e_form), spread, np.nan)

    def energies(
        self,
        crystals: CrystalBatch,
        factors: NDArray[np.float64],
        members: Sequence[int] | None = None,
        threads: int = 1,
        progress: Progress = silent,
    ) -> NDArray[np.float64]:
        """Return energies at some volumes, eV/atom, [members, n_factors, n]; NaN where a crystal has no edge.

        Args:
            factors: of the volume, [n_factors].
            members: which networks; None asks all.
        """
        asked = range(len(self.networks)) if members is None else members
        energies = np.full((len(asked), len(factors), len(crystals)), np.nan)
        for start in range(0, len(crystals), CRYSTALS_AT_ONCE):
            block = crystals.take(np.arange(start, min(start + CRYSTALS_AT_ONCE, len(crystals))))
            # One neighbour list serves all scalings: the reach at the smallest volume, in distances at the natural one.
            graphs, graphable = build_graphs(block, self.cutoff_ang / float(np.cbrt(factors.min())))
            where = start + np.flatnonzero(graphable)
            chunks = list(_chunks(graphs, EDGES_PER_BATCH if self.device == "cpu" else EDGES_PER_GPU_BATCH))
            with ThreadPoolExecutor(max(1, threads)) as pool:
                parts = pool.map(partial(self._energies, graphs, factors, asked), chunks)
                for chunk, part in zip(chunks, parts, strict=True):
                    energies[:, :, where[chunk]] = part
            progress("predict", start + len(block), len(crystals), "")
        return energies

    def _energies(
        self, graphs: GraphSet, factors: NDArray[np.float64], asked: Sequence[int], which: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Energies of some of the graphs, which reach far enough, eV/atom, [members, n_factors, n]."""
        graphs = graphs.take(which)
        energies = np.full((len(asked), len(factors), len(graphs)), np.nan)
        with one_torch_thread(), torch.inference_mode():
            for k, factor in enumerate(factors):
                scaled = graphs.scaled(factor, self.cutoff_ang)
                connected = np.flatnonzero(scaled.n_edges > 0)
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

    def out_of_domain(self, crystal: Crystal, predicted: bool = True) -> str:
        """Return why a prediction is not to be trusted, or why there is none; "" if there is no reason."""
        strange = [symbol(z) for z in np.unique(crystal.numbers) if 1 <= z <= MAX_Z and self._unseen[z]]
        if strange:
            return f"out of domain: trained on few compounds or none with {', '.join(strange)}"
        return "" if predicted else f"out of domain: no two atoms within {self.cutoff_ang:g} Å, or no sound cell"


def stacked(networks: Sequence[StructuralNetwork], graph: GraphTensors) -> Tensor:
    """Energies of several networks of one architecture as one computation, eV/atom, [members, n]."""
    parameters, buffers = torch.func.stack_module_state(list(networks))

    def one(weights: dict[str, Tensor], constants: dict[str, Tensor]) -> Tensor:
        return cast(Tensor, torch.func.functional_call(networks[0], (weights, constants), (graph,)))

    return torch.func.vmap(one)(parameters, buffers)


def volume_factors(n: int) -> NDArray[np.float64]:
    """N volume factors between 0.8 and 1.2; the natural volume for n = 1."""
    return np.ones(1) if n == 1 else np.linspace(SCAN_LOWEST, SCAN_HIGHEST, n)


def median_and_spread(energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and spread of what all members say at all volumes, leaving out what is NaN.

    The spread is the mean absolute deviation from the median, as the interquartile range of a normal distribution that
    has it: of a dozen numbers that is less a matter of chance than their quartiles.

    Args:
        energies: eV/atom, [members, n_factors, n].

    Returns:
        Median and spread, eV/atom, [n] each.
    """
    said = np.concatenate(energies)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
        median = np.nanmedian(said, axis=0)
        return median, IQR_PER_DEVIATION * np.nanmean(np.abs(said - median), axis=0)


def lowest_of_median(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest point of the median over the members, eV/atom, [n]; NaN where no volume counts.

    Args:
        energies: eV/atom, [members, n_factors, n]; a volume at which any member is NaN does not count.
    """
    curve = np.median(energies, axis=0)
    lowest = np.where(np.isfinite(curve), curve, np.inf).min(axis=0)
    return np.where(np.isfinite(lowest), lowest, np.nan)


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
