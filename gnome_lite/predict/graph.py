"""Crystals as graphs: atoms are nodes, pairs closer than a cutoff (periodic images included) are directed edges.

Everything here is NumPy, so that graphs can be built, saved and sliced without importing torch; a slice
becomes tensors in `network`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.ragged import rows_at

MAX_NETWORK_Z = 94
"""Heaviest element with an embedding (Pu): CHGNet, the default level, knows no heavier one."""

MAX_PAIRS = 5_000_000
"""Pairs (atoms^2 x periodic images) a neighbour search may look at; beyond it the cell is no crystal."""

MAX_SMALL_PAIRS, MAX_SMALL_ATOMS = 60_000, 100
"""Beyond so many pairs (atoms^2 x periodic images) or atoms, a cell list is faster than looking at all pairs."""

PAIRS_AT_ONCE = 300_000
"""Distances worked out at once (2.4 MB: they stay in a core's cache)."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphSet:
    """Graphs of n crystals as flat arrays; edges are in both directions, sorted by crystal.

    Attributes:
        numbers: atomic numbers, int64 [n_atoms].
        n_atoms: atoms of each crystal, int64 [n].
        senders: index of the neighbour within its crystal, int32 [n_edges].
        receivers: index of the centre within its crystal, int32 [n_edges].
        distances: Å, float32 [n_edges].
        directions: unit vectors from centre to neighbour, float32 [n_edges, 3].
        n_edges: edges of each crystal, int64 [n].
    """

    numbers: NDArray[np.int64]
    n_atoms: NDArray[np.int64]
    senders: NDArray[np.int32]
    receivers: NDArray[np.int32]
    distances: NDArray[np.float32]
    directions: NDArray[np.float32]
    n_edges: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.n_atoms)

    def take(self, which: ArrayLike) -> GraphSet:
        """The graphs at integer indices, or where a boolean mask [n] is true, in that order."""
        index = np.asarray(which)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        atoms, edges = rows_at(index, self.n_atoms), rows_at(index, self.n_edges)
        return GraphSet(
            self.numbers[atoms],
            self.n_atoms[index],
            self.senders[edges],
            self.receivers[edges],
            self.distances[edges],
            self.directions[edges],
            self.n_edges[index],
        )

    def scaled(self, volume_factors: ArrayLike, cutoff_ang: float) -> GraphSet:
        """Cell volumes multiplied by a factor (one for all, or [n]); only edges below the cutoff are kept.

        Exact as long as the graphs were built at a cutoff of `cutoff_ang / min(factors)^(1/3)` or more.
        """
        factors = np.broadcast_to(np.asarray(volume_factors, dtype=np.float32), (len(self),))
        linear = np.cbrt(factors)
        distances = self.distances * np.repeat(linear, self.n_edges)
        kept = distances < cutoff_ang
        crystal = np.repeat(np.arange(len(self)), self.n_edges)
        return replace(
            self,
            senders=self.senders[kept],
            receivers=self.receivers[kept],
            distances=distances[kept],
            directions=self.directions[kept],
            n_edges=np.bincount(crystal[kept], minlength=len(self)),
        )

    @property
    def average_adjacency(self) -> float:
        """Mean number of neighbours of an atom."""
        return float(len(self.distances) / max(len(self.numbers), 1))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, for saving."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def build_graphs(crystals: CrystalBatch, cutoff_ang: float) -> tuple[GraphSet, NDArray[np.bool_]]:
    """Graphs of all crystals that have one; the edges of a crystal are sorted by receiver.

    Small cells are searched many at once (`_small_cells`), large and very skewed ones by vesin's cell lists.

    Returns:
        The graphs, [n_ok], and which crystals they belong to, bool [n]. A crystal is left out if a number is
        not finite, an element is beyond `MAX_NETWORK_Z`, its cell is degenerate, or no two atoms (images
        included) are closer than the cutoff.
    """
    plausible = _plausible(crystals, cutoff_ang)
    boxes = _reach(crystals, plausible, cutoff_ang)
    work = crystals.n_atoms**2 * np.prod(2 * boxes + 1, axis=1)
    small = plausible & (work <= MAX_SMALL_PAIRS) & (crystals.n_atoms <= MAX_SMALL_ATOMS)
    groups = _alike(np.flatnonzero(small), boxes, crystals.n_atoms, work)
    found = [_small_cells(crystals, group, boxes[group[0]], cutoff_ang) for group in groups]
    found += [_large_cell(crystals, int(i), cutoff_ang) for i in np.flatnonzero(plausible & ~small)]
    edges = _Edges.concatenate(found)
    # In the order in which they were found each crystal's edges are together: that of the crystals is put right.
    order = np.argsort(edges.crystals, kind="stable")
    order = order[edges.n_edges[order] > 0]
    rows = rows_at(order, edges.n_edges)
    graphable = np.zeros(len(crystals), dtype=bool)
    graphable[edges.crystals[order]] = True
    kept = crystals.take(graphable)
    return (
        GraphSet(
            kept.numbers,
            kept.n_atoms,
            edges.senders[rows],
            edges.receivers[rows],
            edges.distances[rows],
            edges.directions[rows],
            edges.n_edges[order],
        ),
        graphable,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Edges of some crystals, crystal after crystal; `n_edges` of each."""

    crystals: NDArray[np.int64]
    n_edges: NDArray[np.int64]
    senders: NDArray[np.int32]
    receivers: NDArray[np.int32]
    distances: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        crystals: NDArray[np.int64],
        n_edges: NDArray[np.int64],
        senders: NDArray[np.integer],
        receivers: NDArray[np.integer],
        vectors: NDArray[np.float64],
    ) -> _Edges:
        """From the vectors, Å, [n_edges, 3], from receivers to senders."""
        lengths = np.sqrt(np.einsum("ek,ek->e", vectors, vectors))
        # Two atoms in one place have no direction, and whatever is predicted of them is nonsense: but finite.
        directions = (vectors / np.maximum(lengths, 1e-9)[:, None]).astype(np.float32)
        return cls(
            crystals,
            n_edges,
            senders.astype(np.int32),
            receivers.astype(np.int32),
            lengths.astype(np.float32),
            directions,
        )

    @classmethod
    def concatenate(cls, parts: list[_Edges]) -> _Edges:
        nothing = np.empty(0, np.int64)
        parts = [cls.of(nothing, nothing, nothing, nothing, np.empty((0, 3))), *parts]
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))


def _reach(crystals: CrystalBatch, which: NDArray[np.bool_], cutoff_ang: float) -> NDArray[np.int64]:
    """Cells along each axis that a sphere about an atom can touch, its partner being within half a cell, [n, 3]."""
    reach = np.zeros((len(crystals), 3), dtype=np.int64)
    # Columns of the inverse are reciprocal vectors; their lengths are 1 / height of the cell.
    inverse_heights = np.linalg.norm(np.linalg.inv(crystals.lattices[which]), axis=1)
    reach[which] = np.floor(np.minimum(cutoff_ang * inverse_heights + 0.5, 1e6)).astype(np.int64)
    return reach


def _alike(
    which: NDArray[np.int64], boxes: NDArray[np.int64], n_atoms: NDArray[np.int64], work: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Crystals of one box together, those of like size next to each other, about `PAIRS_AT_ONCE` pairs at a time."""
    order = which[np.lexsort((which, n_atoms[which], *boxes[which].T))]
    if len(order):
        padded = np.cumsum(work[order]) // PAIRS_AT_ONCE
        ends = (np.diff(boxes[order], axis=0) != 0).any(axis=1) | (np.diff(padded) != 0)
        ends |= n_atoms[order[1:]] > 1.3 * n_atoms[order[:-1]]
        yield from np.split(order, np.flatnonzero(ends) + 1)


def _small_cells(crystals: CrystalBatch, which: NDArray[np.int64], box: NDArray[np.int64], cutoff_ang: float) -> _Edges:
    """Edges of crystals that need the same images: all pairs of atoms with all images, as one product of matrices.

    The square of a + s, a from atom to atom and s an image's shift, is (a², 2a, 1) . (1, s, s²).
    """
    lattices, sizes = crystals.lattices[which], crystals.n_atoms[which]
    n, m = len(which), int(sizes.max())
    frac = np.full((n, m, 3), np.nan)
    present = np.arange(m) < sizes[:, None]
    frac[present] = crystals.frac_coords[rows_at(which, crystals.n_atoms)]
    delta = frac[:, None, :, :] - frac[:, :, None, :]  # [crystal, receiver, sender, axis]
    delta -= np.rint(delta)
    between = delta.reshape(n, m * m, 3) @ lattices
    shifts = _shifts(box) @ lattices
    left = np.empty((n, m * m, 5))
    left[:, :, 0] = np.einsum("cpk,cpk->cp", between, between)
    left[:, :, 1:4] = 2.0 * between
    left[:, :, 4] = 1.0
    right = np.empty((n, 5, shifts.shape[1]))
    right[:, 0] = 1.0
    right[:, 1:4] = shifts.transpose(0, 2, 1)
    right[:, 4] = np.einsum("csk,csk->cs", shifts, shifts)
    near = left @ right < cutoff_ang**2  # an atom that is not there is NaN, hence not near
    near.reshape(n, m, m, -1)[:, np.arange(m), np.arange(m), 0] = False  # nor is an atom to itself; shift 0 is first
    flat = np.flatnonzero(near)
    pair, shift = np.divmod(flat, near.shape[2])
    crystal, pair_in_crystal = np.divmod(pair, m * m)
    receivers, senders = np.divmod(pair_in_crystal, m)
    vectors = between.reshape(-1, 3)[pair] + shifts[crystal, shift]
    return _Edges.of(which, np.bincount(crystal, minlength=n), senders, receivers, vectors)


def _shifts(box: NDArray[np.int64]) -> NDArray[np.float64]:
    """All cell shifts in a box, [m, 3], zero first."""
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in box), indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[np.argsort(np.abs(grid).sum(axis=1), kind="stable")].astype(np.float64)


def _large_cell(crystals: CrystalBatch, index: int, cutoff_ang: float) -> _Edges:
    from vesin import NeighborList

    atoms = slice(crystals.offsets[index], crystals.offsets[index + 1])
    lattice = crystals.lattices[index]
    # Wrapped into the cell first: a search need not expect an atom 1e9 cells away.
    points = (crystals.frac_coords[atoms] % 1.0) @ lattice
    try:
        search = NeighborList(cutoff=cutoff_ang, full_list=True, sorted=True)
        i, j, vectors = search.compute(points=points, box=lattice, periodic=True, quantities="ijD")
    except (RuntimeError, ValueError):  # a cell that passed `_plausible` and still is none
        i, j, vectors = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3))
    if not np.isfinite(vectors).all():
        i, j, vectors = i[:0], j[:0], vectors[:0]
    return _Edges.of(np.array([index]), np.array([len(i)]), j, i, vectors)


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
