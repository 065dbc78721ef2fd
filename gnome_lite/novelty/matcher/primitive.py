"""Reduction of crystals to what the matcher compares: the Niggli cell of the primitive crystal, at one volume.

Primitive is meant as pymatgen's `Structure.get_primitive_structure` has it: translations need map atoms onto atoms to
0.25 Å along each lattice vector only, and atoms that they join are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache, reduce
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch, symbol
from gnome_lite.core.ragged import spread
from gnome_lite.novelty.matcher.lattices import lengths_and_angles, unimodular_inverse
from gnome_lite.novelty.matcher.reduction import NIGGLI_ANGLE_TOLERANCE_DEG, first_listed, niggli

TOLERANCE_ANG = 0.25


def reduced(crystals: CrystalBatch) -> CrystalBatch:
    """Return the crystals as Niggli-reduced primitive cells of volume n_atoms (1 per atom), sites in their given order.

    A crystal that is no crystal (a flat cell, numbers that are not finite) is returned as it is.
    """
    if not len(crystals):
        return crystals
    sane = np.isfinite(crystals.lattices).all(axis=(1, 2)) & (crystals.volumes > 1e-6)
    np.logical_and.at(sane, crystals.crystal_of_atom, np.isfinite(crystals.frac_coords).all(axis=1))
    if not sane.all():
        kept = list(crystals)
        good = np.flatnonzero(sane)
        for row, c in zip(good.tolist(), reduced(crystals.take(good)), strict=True):
            kept[row] = c
        return CrystalBatch.from_crystals(kept)
    compact = _niggli_cells(crystals)
    # Some are supercells; what they are made of may be one again.
    smaller: dict[int, Crystal] = {}
    batch, names = compact, list(range(len(compact)))
    while found := _translations(batch):
        folded = {names[row]: _folded(batch[row], vectors) for row, vectors in found.items()}
        step = {i: c for i, c in folded.items() if c is not None}
        smaller |= step
        batch, names = CrystalBatch.from_crystals(step.values()), list(step)
    if smaller:
        cells = _niggli_cells(CrystalBatch.from_crystals(smaller.values()))
        place = np.arange(len(compact))
        place[list(smaller)] = len(compact) + np.arange(len(cells))
        compact = CrystalBatch.concatenate([compact, cells]).take(place)
    return compact.scaled(compact.n_atoms / compact.volumes)


def formula_units(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the greatest common divisor of the atoms of all elements, of counts [n, MAX_Z + 1]; [n]."""
    return np.asarray(np.gcd.reduce(counts[:, counts.any(axis=0)], axis=1), dtype=np.int64)


def _niggli_cells(crystals: CrystalBatch) -> CrystalBatch:
    if not len(crystals):
        return crystals
    transform = niggli(crystals.lattices)
    # Which of several bases is kept matters to tolerances along its vectors, and where they are not quite equivalent.
    divisor = formula_units(crystals.counts)
    _, angles = lengths_and_angles(transform @ crystals.lattices)
    from_right = np.abs(angles - 90.0)
    loose = ((from_right < NIGGLI_ANGLE_TOLERANCE_DEG / 2) & (from_right > 1e-4)).any(axis=1)
    which = np.flatnonzero((divisor > 1) | loose)
    transform[which] = first_listed(transform[which], crystals.lattices[which])
    # Left-handed cells are turned round, as pymatgen does.
    transform[np.linalg.det(crystals.lattices) < 0] *= -1
    inverse = unimodular_inverse(transform).astype(np.float64).take(crystals.crystal_of_atom, axis=0)
    frac = np.einsum("ij,ijk->ik", crystals.frac_coords, inverse)
    return CrystalBatch(crystals.numbers, frac, transform @ crystals.lattices, crystals.offsets)


def _translations(crystals: CrystalBatch) -> dict[int, NDArray[np.float64]]:
    """Return vectors between two atoms of the rarest element that map every atom near one of its kind.

    Fractional, [k, 3], zero first; for the crystals, by index, that have others besides zero.
    """
    counts = crystals.counts
    which = np.flatnonzero(formula_units(counts) > 1)
    batch = crystals.take(which)
    # Of equally rare elements the first in the alphabet.
    rarest = np.where(counts[which] > 0, counts[which] * MAX_Z + _alphabetical(), np.iinfo(np.int64).max).argmin(axis=1)
    order = np.lexsort((batch.numbers, batch.numbers != rarest[batch.crystal_of_atom], batch.crystal_of_atom))
    numbers, frac, start = batch.numbers[order], batch.frac_coords[order], batch.offsets[:-1]
    # Atoms of one element inside one crystal make a block, the rarest element's coming first.
    new = np.diff(numbers, prepend=0) != 0
    new[start] = True
    first, block = np.flatnonzero(new), np.cumsum(new) - 1
    size = np.bincount(block, minlength=len(first))
    owner, atom = spread(start + 1, size[block[start]] - 1)
    vector = frac[atom] - frac[start[owner]]
    tolerance = 2 * TOLERANCE_ANG / np.sqrt((batch.lattices**2).sum(axis=2))
    # The rarest element's atoms alone refuse most vectors at the least cost.
    for n_sites in (size[block[start]], batch.n_atoms):
        row, site = spread(start[owner], n_sites[owner])
        pair, partner = spread(first[block[site]], size[block[site]])
        off = (frac.take(site, axis=0) + vector.take(row, axis=0)).take(pair, axis=0) - frac.take(partner, axis=0)
        off -= np.rint(off)
        x, y, z = (np.abs(off) < tolerance.take(owner[row][pair], axis=0)).T
        near = x & y & z
        met = np.zeros(len(row), dtype=bool)
        met[pair[near]] = True
        alive = np.bincount(row[met], minlength=len(owner)) == n_sites[owner]
        owner, vector = owner[alive], vector[alive]
    return {int(which[i]): np.vstack([np.zeros(3), vector[owner == i]]) for i in np.unique(owner)}


@lru_cache(maxsize=1)
def _alphabetical() -> NDArray[np.int64]:
    """Return the place of each element among the symbols in alphabetical order, [MAX_Z + 1]."""
    rank = np.zeros(MAX_Z + 1, dtype=np.int64)
    rank[1 + np.argsort([symbol(z) for z in range(1, MAX_Z + 1)])] = np.arange(MAX_Z)
    return rank


def _folded(crystal: Crystal, vectors: NDArray[np.float64]) -> Crystal | None:
    """Return the crystal in a cell smaller by the least possible factor, not Niggli-reduced; None if there is none.

    The vectors [k, 3] are those of `_translations`, zero among them.
    """
    names = sorted({int(z) for z in crystal.numbers}, key=symbol)
    groups = [crystal.frac_coords[crystal.numbers == z] for z in names]
    divisor = reduce(math.gcd, map(len, groups))
    tolerance = TOLERANCE_ANG / np.linalg.norm(crystal.lattice, axis=1)
    for size in range(2, divisor + 1):
        if divisor % size:
            continue
        cells, inverses = _supercells(size)
        off = inverses[:, :, None, :] - vectors
        off -= np.rint(off)
        fits = (np.abs(off) < tolerance).all(axis=-1).any(axis=-1).all(axis=-1)
        for which in np.flatnonzero(fits):
            lattice = inverses[which] @ crystal.lattice
            folded = _fold(groups, tolerance, cells[which], TOLERANCE_ANG / np.linalg.norm(lattice, axis=1), size)
            if folded is not None:
                return Crystal(np.repeat(names, [len(f) for f in folded]), np.concatenate(folded), lattice)
    return None


def _apart(frac: NDArray[np.float64], tolerance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether two atoms are so far apart in the large cell that they may become one in the small, [k, k]."""
    off = frac[None] - frac[:, None]
    off -= np.rint(off)
    apart = (np.abs(off) > 2 * tolerance).any(axis=-1)
    return np.asarray(apart | np.eye(len(frac), dtype=bool))


def _fold(
    groups: list[NDArray[np.float64]],
    large: NDArray[np.float64],
    cell: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    size: int,
) -> list[NDArray[np.float64]] | None:
    """Return the atoms of each element in a cell `size` times smaller, averaged; None where they do not fall together.

    Fractional tolerances [3] hold in the given (`large`) and in the smaller cell (`tolerance`).
    """
    folded = []
    for frac in groups:
        inside = frac @ cell
        off = inside[None] - inside[:, None]
        off -= np.rint(off)
        joined = (np.abs(off) < tolerance).all(axis=-1) & _apart(frac, large)
        if (joined.sum(axis=0) != size).any():
            return None
        shared = joined.astype(np.int64) @ joined.astype(np.int64)
        if (shared[joined] != size).any():
            return None
        # Of each set of joined atoms the first, plus the mean of the small offsets of all from it.
        first = np.flatnonzero(joined.argmax(axis=1) == np.arange(len(joined)))
        folded.append((inside + np.einsum("ij,ijk->ik", joined, off) / size)[first])
    return folded


@lru_cache(maxsize=128)
def _supercells(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all distinct supercells of a size as Hermite normal forms, and their inverses, [m, 3, 3] each."""
    cells = [
        [[a, b, c], [0, e, f], [0, 0, size // a // e]]
        for a, e in _diagonals(size)
        for b, c, f in product(range(a), range(a), range(e))
    ]
    forms = np.array(cells, dtype=np.float64)
    return forms, np.asarray(np.linalg.inv(forms), dtype=np.float64)


def _diagonals(size: int) -> Iterator[tuple[int, int]]:
    for a in range(1, size + 1):
        if size % a == 0:
            for e in range(1, size // a + 1):
                if size // a % e == 0:
                    yield a, e
