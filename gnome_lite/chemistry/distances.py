"""Shortest distances in periodic crystals, for whole batches, right also in small and skewed cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.radii import covalent_radii_ang
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.ragged import ranges

CHUNK_DISTANCES = 1_000_000
"""Distances worked out at once (about 60 MB)."""


def min_distance_ratios(crystals: CrystalBatch, below: float) -> NDArray[np.float64]:
    """Return the smallest distance of two atoms (or an atom and its image) over the sum of their covalent radii, [n].

    Args:
        crystals: n crystals of non-zero volume.
        below: ratios are exact where smaller than this, and inf elsewhere.
    """
    if not len(crystals):
        return np.empty(0)
    batch, images = _images(crystals, below)
    frac = batch.frac_coords - np.floor(batch.frac_coords)
    radii = covalent_radii_ang()[batch.numbers]
    ratios = np.full(len(batch), np.inf)
    for box in np.unique(images, axis=0):
        shifts = cells_in_box(box)
        members = np.flatnonzero((images == box).all(axis=1))
        for which in _chunks(members, batch.n_atoms, len(shifts)):
            crystal, i, j = _pairs(batch, which)
            delta = frac[j] - frac[i]
            delta -= np.rint(delta)
            vectors = (delta[:, None, :] + shifts) @ batch.lattices[crystal]
            squared = np.einsum("psk,psk->ps", vectors, vectors)
            squared[i == j, len(shifts) // 2] = np.inf  # an atom is not its own neighbour
            ratio = np.sqrt(squared.min(axis=1)) / (radii[i] + radii[j])
            np.minimum.at(ratios, crystal, ratio)
    ratios[ratios >= below] = np.inf
    return ratios


def _images(crystals: CrystalBatch, below: float) -> tuple[CrystalBatch, NDArray[np.int64]]:
    """Return the crystals in compact cells where theirs are skewed, and the cells to search along each axis, [n, 3]."""
    largest = np.zeros(len(crystals))
    np.maximum.at(largest, crystals.crystal_of_atom, covalent_radii_ang()[crystals.numbers])
    cutoffs = 2.0 * below * largest
    images = neighbour_cells(crystals.lattices, cutoffs)
    skewed = np.flatnonzero((images > 1).any(axis=1))
    if not len(skewed):
        return crystals, images
    from pymatgen.core import Lattice

    lattices, frac = crystals.lattices.copy(), crystals.frac_coords.copy()
    for c in skewed:
        compact = Lattice(lattices[c]).get_lll_reduced_lattice().matrix
        atoms = slice(crystals.offsets[c], crystals.offsets[c + 1])
        frac[atoms] = frac[atoms] @ np.rint(lattices[c] @ np.linalg.inv(compact))
        lattices[c] = compact
    return CrystalBatch(crystals.numbers, frac, lattices, crystals.offsets), neighbour_cells(lattices, cutoffs)


def neighbour_cells(lattices: NDArray[np.float64], cutoffs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many cells along each axis can hold the image of an atom nearer than a cutoff, int64 [n, 3].

    Args:
        lattices: rows in Å, [n, 3, 3].
        cutoffs: Å, [n]; atoms are wrapped to within half a cell of each other.
    """
    # The rows of the inverse's transpose are reciprocal vectors; their lengths are 1 / height of the cell.
    inverse_heights = np.linalg.norm(np.linalg.inv(lattices), axis=1)
    return np.floor(cutoffs[:, None] * inverse_heights + 0.5).astype(np.int64)


def cells_in_box(box: Iterable[int]) -> NDArray[np.float64]:
    """Return the whole numbers -n..n along each axis of a box, [m, 3]; zero lies in the middle."""
    return np.stack(np.meshgrid(*(np.arange(-n, n + 1.0) for n in box), indexing="ij"), axis=-1).reshape(-1, 3)


def _chunks(members: NDArray[np.int64], n_atoms: NDArray[np.int64], n_shifts: int) -> list[NDArray[np.int64]]:
    """Return crystals in groups of at most `CHUNK_DISTANCES` distances (or one crystal)."""
    work = np.cumsum(n_atoms[members] * (n_atoms[members] + 1) // 2 * n_shifts) // CHUNK_DISTANCES
    return np.split(members, np.flatnonzero(np.diff(work)) + 1)


def _pairs(
    batch: CrystalBatch, which: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return crystal, first and second atom of all pairs i <= j inside each of some crystals."""
    sizes, starts = batch.n_atoms[which], batch.offsets[which]
    first = np.repeat(starts, sizes) + ranges(sizes)
    # Atom number a of a crystal of n atoms pairs with itself and the n - a - 1 after it.
    partners = np.repeat(starts + sizes, sizes) - first
    i = np.repeat(first, partners)
    return np.repeat(np.repeat(which, sizes), partners), i, i + ranges(partners)
