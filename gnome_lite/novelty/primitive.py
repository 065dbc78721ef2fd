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

from gnome_lite.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.novelty.lattices import (
    NIGGLI_ANGLE_TOLERANCE_DEG,
    first_listed,
    lengths_and_angles,
    niggli,
    unimodular_inverse,
)
from gnome_lite.novelty.ragged import spread

TOLERANCE_ANG = 0.25


def reduced(crystals: CrystalBatch) -> CrystalBatch:
    """The crystals as Niggli-reduced primitive cells of volume n_atoms (1 per atom), sites in their given order.

    A crystal that is no crystal (a flat cell, numbers that are not finite) is returned as it is.
    """
    if not len(crystals):
        return crystals
    sane = np.isfinite(crystals.lattices).all(axis=(1, 2)) & (crystals.volumes > 1e-6)
    np.logical_and.at(sane, crystals.crystal_of_atom, np.isfinite(crystals.frac_coords).all(axis=1))
    if not sane.all():
        kept = list(crystals)
        good = np.flatnonzero(sane)
        for i, c in zip(good, reduced(crystals.take(good)), strict=True):
            kept[i] = c
        return CrystalBatch.from_crystals(kept)
    compact = _niggli_cells(crystals)
    suspects = _may_have_translations(compact)
    if len(suspects):
        cells = list(compact)
        smaller = [(i, _primitive(cells[i])) for i in suspects]
        smaller = [(i, c) for i, c in smaller if len(c) < len(cells[i])]
        for (i, _), c in zip(smaller, _niggli_cells(CrystalBatch.from_crystals(c for _, c in smaller)), strict=True):
            cells[i] = c
        if smaller:
            compact = CrystalBatch.from_crystals(cells)
    return compact.scaled(compact.n_atoms / compact.volumes)


def _niggli_cells(crystals: CrystalBatch) -> CrystalBatch:
    if not len(crystals):
        return crystals
    transform = niggli(crystals.lattices)
    # Which of several bases is kept matters to tolerances along its vectors, and where they are not quite equivalent.
    divisor = np.gcd.reduce(crystals.counts, axis=1)
    _, angles = lengths_and_angles(transform @ crystals.lattices)
    from_right = np.abs(angles - 90.0)
    loose = ((from_right < NIGGLI_ANGLE_TOLERANCE_DEG / 2) & (from_right > 1e-4)).any(axis=1)
    which = np.flatnonzero((divisor > 1) | loose)
    transform[which] = first_listed(transform[which], crystals.lattices[which])
    # Left-handed cells are turned round, as pymatgen does.
    transform[np.linalg.det(crystals.lattices) < 0] *= -1
    inverse = unimodular_inverse(transform).astype(np.float64)[crystals.crystal_of_atom]
    frac = (crystals.frac_coords[:, None, :] @ inverse)[:, 0]
    return CrystalBatch(crystals.numbers, frac, transform @ crystals.lattices, crystals.offsets)


def _may_have_translations(crystals: CrystalBatch) -> NDArray[np.int64]:
    """Crystals with a vector between two atoms of the rarest element that maps every atom near one of its kind."""
    counts = crystals.counts
    divisor = np.gcd.reduce(counts, axis=1)
    counts[counts == 0] = np.iinfo(np.int64).max
    rare = counts.argmin(axis=1)
    which = np.flatnonzero(divisor > 1)
    if not len(which):
        return which
    batch = crystals.take(which)
    # Any one atom of the rarest element may stand for all: each translation takes it to another of them.
    of_rare = np.flatnonzero(batch.numbers == rare[which][batch.crystal_of_atom])
    owner = batch.crystal_of_atom[of_rare]
    first = np.searchsorted(owner, np.arange(len(batch)))
    is_first = np.zeros(len(of_rare), dtype=bool)
    is_first[first] = True
    vector = batch.frac_coords[of_rare] - batch.frac_coords[of_rare[first]][owner]
    owner, vector = owner[~is_first], vector[~is_first]
    lengths = np.sqrt((batch.lattices**2).sum(axis=2))
    tolerance = 2 * TOLERANCE_ANG / lengths
    # Atoms by element inside each crystal, so that partners lie together.
    order = np.lexsort((batch.numbers, batch.crystal_of_atom))
    frac = batch.frac_coords[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(batch.numbers[order]) != 0) | (np.diff(batch.crystal_of_atom[order]) != 0)
    block = np.cumsum(new) - 1
    size = np.bincount(block)
    start = np.cumsum(size) - size
    row, atom = spread(batch.offsets[:-1][owner], batch.n_atoms[owner])
    for stage in range(2):
        # The rarest element first: it refuses most vectors at the least cost.
        if stage == 0:
            mine = batch.numbers[order][atom] == rare[which][owner[row]]
            r, a = row[mine], atom[mine]
        else:
            r, a = row, atom
        site, partner = spread(start[block[a]], size[block[a]])
        delta = frac[a][site] + vector[r][site] - frac[partner]
        delta -= np.rint(delta)
        near = (np.abs(delta) < tolerance[owner[r]][site]).all(axis=1)
        mapped = np.logical_or.reduceat(near, np.cumsum(size[block[a]]) - size[block[a]]) if len(near) else near
        alive = np.ones(len(owner), dtype=bool)
        np.logical_and.at(alive, r, mapped)
        owner, vector = owner[alive], vector[alive]
        if not len(owner):
            return np.empty(0, np.int64)
        row, atom = spread(batch.offsets[:-1][owner], batch.n_atoms[owner])
    return which[np.unique(owner)]


def _primitive(crystal: Crystal) -> Crystal:
    """The smallest crystal of which this one is a supercell (not Niggli-reduced)."""
    names = sorted({int(z) for z in crystal.numbers}, key=symbol)
    groups = [crystal.frac_coords[crystal.numbers == z] for z in names]
    divisor = reduce(math.gcd, map(len, groups))
    if divisor == 1:
        return crystal
    tolerance = TOLERANCE_ANG / np.linalg.norm(crystal.lattice, axis=1)
    vectors = _approximate_translations(groups, tolerance)
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
                numbers = np.repeat(names, [len(f) for f in folded])
                return _primitive(Crystal(numbers, np.concatenate(folded), lattice))
    return crystal


def _approximate_translations(groups: list[NDArray[np.float64]], tolerance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors from the first atom of the rarest element to the others that map all atoms near one of their kind."""
    rarest = min(groups, key=len)
    vectors = rarest - rarest[0]
    for g in sorted(groups, key=len):
        off = g[None, :, None] + vectors[:, None, None] - g[None, None, :]
        off -= np.rint(off)
        vectors = vectors[(np.abs(off) < 2 * tolerance).all(axis=-1).any(axis=-1).all(axis=-1)]
    return vectors


def _apart(frac: NDArray[np.float64], tolerance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether two atoms are so far apart in the large cell that they may become one in the small, [k, k]."""
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
    """Atoms of each element in a cell `size` times smaller, averaged; None where they do not fall together.

    Args:
        large, tolerance: fractional tolerances in the given and in the smaller cell, [3] each.
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
    """All distinct supercells of a size as Hermite normal forms, and their inverses, [m, 3, 3] each."""
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
