"""Crystals as graphs: atoms are nodes, pairs closer than a cutoff (periodic images included) are directed edges.

Everything here is NumPy, so that graphs can be built, saved and sliced without importing torch; a slice
becomes tensors in `network`. Distances are all the network sees, hence its rotation and translation invariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.crystals import CrystalBatch
from gnome_lite.pipeline import Progress, silent

MAX_NETWORK_Z = 94
"""Heaviest element with an embedding (Pu): CHGNet, the default level, knows no heavier one."""

MAX_PAIRS = 5_000_000
"""Pairs (atoms^2 x periodic images) a neighbour search may look at; beyond it the cell is no crystal."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphSet:
    """Graphs of n crystals as flat arrays; edges are in both directions, sorted by crystal.

    Attributes:
        numbers: atomic numbers, int64 [n_atoms].
        n_atoms: atoms of each crystal, int64 [n].
        senders: index of the neighbour within its crystal, int32 [n_edges].
        receivers: index of the centre within its crystal, int32 [n_edges].
        distances: Å, float32 [n_edges].
        n_edges: edges of each crystal, int64 [n].
    """

    numbers: NDArray[np.int64]
    n_atoms: NDArray[np.int64]
    senders: NDArray[np.int32]
    receivers: NDArray[np.int32]
    distances: NDArray[np.float32]
    n_edges: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.n_atoms)

    def take(self, which: ArrayLike) -> GraphSet:
        """The graphs at integer indices, or where a boolean mask [n] is true, in that order."""
        index = np.asarray(which)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        atoms, edges = _ranges(self.n_atoms, index), _ranges(self.n_edges, index)
        return GraphSet(
            self.numbers[atoms],
            self.n_atoms[index],
            self.senders[edges],
            self.receivers[edges],
            self.distances[edges],
            self.n_edges[index],
        )

    def scaled(self, volume_factors: ArrayLike, cutoff_ang: float) -> GraphSet:
        """Cell volumes multiplied by a factor (one for all, or [n]); only edges below the cutoff are kept.

        Exact as long as the graphs were built at a cutoff of `cutoff_ang / min(factors)^(1/3)` or more.
        """
        linear = np.cbrt(np.broadcast_to(np.asarray(volume_factors, dtype=np.float32), (len(self),)))
        distances = self.distances * np.repeat(linear, self.n_edges)
        kept = distances < cutoff_ang
        crystal = np.repeat(np.arange(len(self)), self.n_edges)
        return GraphSet(
            self.numbers,
            self.n_atoms,
            self.senders[kept],
            self.receivers[kept],
            distances[kept],
            np.bincount(crystal[kept], minlength=len(self)),
        )

    @property
    def average_adjacency(self) -> float:
        """Mean number of neighbours of an atom."""
        return float(len(self.distances) / max(len(self.numbers), 1))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, for saving."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def build_graphs(
    crystals: CrystalBatch, cutoff_ang: float, progress: Progress = silent
) -> tuple[GraphSet, NDArray[np.bool_]]:
    """Graphs of all crystals that have one.

    Returns:
        The graphs, [n_ok], and which crystals they belong to, bool [n]. A crystal is left out if a number is
        not finite, an element is beyond `MAX_NETWORK_Z`, its cell is degenerate, or no two atoms (images
        included) are closer than the cutoff.
    """
    graphable = np.zeros(len(crystals), dtype=bool)
    senders: list[NDArray[np.int32]] = []
    receivers: list[NDArray[np.int32]] = []
    distances: list[NDArray[np.float32]] = []
    for i in np.flatnonzero(_plausible(crystals, cutoff_ang)):
        if i % 256 == 0:
            progress("predict", int(i), len(crystals), "graphs")
        pairs = _neighbours(crystals, int(i), cutoff_ang)
        if pairs is None:
            continue
        graphable[i] = True
        senders.append(pairs[0])
        receivers.append(pairs[1])
        distances.append(pairs[2])
    kept = crystals.take(graphable)
    return (
        GraphSet(
            kept.numbers,
            kept.n_atoms,
            np.concatenate([np.empty(0, np.int32), *senders]),
            np.concatenate([np.empty(0, np.int32), *receivers]),
            np.concatenate([np.empty(0, np.float32), *distances]),
            np.array([len(d) for d in distances], dtype=np.int64),
        ),
        graphable,
    )


def _neighbours(
    crystals: CrystalBatch, index: int, cutoff_ang: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]] | None:
    from vesin import NeighborList

    atoms = slice(crystals.offsets[index], crystals.offsets[index + 1])
    lattice = crystals.lattices[index]
    # Wrapped into the cell first: a search need not expect an atom 1e9 cells away.
    points = (crystals.frac_coords[atoms] % 1.0) @ lattice
    try:
        search = NeighborList(cutoff=cutoff_ang, full_list=True, sorted=True)
        i, j, d = search.compute(points=points, box=lattice, periodic=True, quantities="ijd")
    except (RuntimeError, ValueError):  # a cell that passed `_plausible` and still is none
        return None
    if not len(d) or not np.isfinite(d).all():
        return None
    return j.astype(np.int32), i.astype(np.int32), d.astype(np.float32)


def _plausible(crystals: CrystalBatch, cutoff_ang: float) -> NDArray[np.bool_]:
    """Crystals whose numbers are finite, whose elements are known and whose cell holds a bounded search, [n]."""
    if not len(crystals):
        return np.zeros(0, dtype=bool)
    ok = np.isfinite(crystals.lattices).all(axis=(1, 2)) & (crystals.n_atoms > 0)
    bad_atom = ~np.isfinite(crystals.frac_coords).all(axis=1)
    bad_atom |= (crystals.numbers < 1) | (crystals.numbers > MAX_NETWORK_Z)
    ok[crystals.crystal_of_atom[bad_atom]] = False
    cells = np.where(ok[:, None, None], crystals.lattices, np.eye(3))
    with np.errstate(all="ignore"):
        volumes = np.abs(np.linalg.det(cells))
        faces = np.linalg.norm(np.cross(np.roll(cells, -1, axis=1), np.roll(cells, -2, axis=1)), axis=2)
        heights = volumes[:, None] / faces
        images = np.prod(2 * np.ceil(cutoff_ang / heights) + 1, axis=1)
        pairs = images * crystals.n_atoms.astype(np.float64) ** 2
    return ok & np.isfinite(pairs) & (volumes > 0) & (pairs <= MAX_PAIRS)


def _ranges(lengths: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions in a flat array of the rows at `index`, where row i has lengths[i] entries."""
    starts = np.concatenate([[0], np.cumsum(lengths)])[index]
    sizes = lengths[index]
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(total)
