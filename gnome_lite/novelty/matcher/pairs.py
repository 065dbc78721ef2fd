"""Sameness of two crystals: the decision of pymatgen's StructureMatcher, for very many pairs at once.

Two reduced crystals (see `primitive`) of one composition are the same if some basis of the first's lattice looks like
the second's (lengths to 20 %, angles to 5 degrees), and if, put into the mean of the two cells with one atom of the
rarest element upon another, all atoms pair with atoms of their kind, none farther apart than 0.3 (V/n)^(1/3) once the
mean shift is taken out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.ragged import ranges
from gnome_lite.novelty.matcher.cells import Cells
from gnome_lite.novelty.matcher.lattices import leading_sign
from gnome_lite.novelty.matcher.mappings import Mappings, mappings
from gnome_lite.novelty.matcher.site_matching import SiteMatching
from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE

SYMMETRY_TOLERANCE = 1e-5
"""Fractional: so small that it decides nothing."""
WORTH_A_LOOK = 500
"""Lattice mappings from which on it pays to look for inversion symmetry."""
WAVES = (1, 4, 1 << 30)
"""Lattice mappings tried at a time, the closest first: crystals that are the same seldom need the rest."""
CHUNK_MAPPINGS = 20_000
CHUNK_WORK = 20_000
"""Mappings, and pairs of compact lattices, worked on at once (about 100 MB at 20 atoms)."""


def same(a: Crystal, b: Crystal) -> bool:
    """Return whether two crystals are the same after reduction to primitive cells of equal volume."""
    cells = Cells.of(CrystalBatch.from_crystals([a, b]))
    alike = cells.keys[0] == cells.keys[1] != b""
    return alike and bool(fits(cells, np.array([0]), np.array([1]))[0])


def fits(cells: Cells, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether cells `first` are the same as cells `second`, pair by pair, [p].

    The relation is StructureMatcher's `fit(first, second)`: near the tolerances it is not quite symmetric.

    Both are indices of cells of equal, non-empty key, [p] each.
    """
    same = np.zeros(len(first), dtype=bool)
    # The minima of two lattices, one of which has a basis like the other's, differ by no more than that basis.
    near = (cells.lengths[first] <= cells.lengths[second] * (1 + LENGTH_TOLERANCE)).all(axis=1)
    pairs = np.flatnonzero(near)
    # Long cells have more lattice points: about (longest / shortest)^2.
    work = np.cumsum((cells.lengths[second[pairs], 2] / cells.lengths[first[pairs], 0]) ** 2)
    for some in np.split(pairs, np.flatnonzero(np.diff(work // CHUNK_WORK)) + 1):
        same[some] = _fits(cells, first[some], second[some])
    return same


def _fits(cells: Cells, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    same = np.zeros(len(first), dtype=bool)
    if not len(first):
        return same
    lengths, angles_deg = cells.lengths[second], cells.angles_deg[second]
    found = mappings(cells.crystals.lattices[first], lengths, angles_deg, LENGTH_TOLERANCE, ANGLE_TOLERANCE_DEG)
    if len(found.pair) > WORTH_A_LOOK:
        # Under inversion a centrosymmetric crystal is itself: of each mapping and its opposite one is enough.
        firsts, of = np.unique(first, return_inverse=True)
        opposite = leading_sign(found.basis[:, 0]) < 0
        found = found.take(np.flatnonzero(~(opposite & _centrosymmetric(cells, firsts)[of][found.pair])))
    rank = _rank(found, lengths, angles_deg)
    low = 0
    for width in WAVES:
        wave = np.flatnonzero((rank >= low) & (rank < low + width) & ~same[found.pair])
        low += width
        for chunk in np.array_split(wave, len(wave) // CHUNK_MAPPINGS + 1):
            pair = found.pair[chunk]
            matching = SiteMatching.of(cells, first[pair], second[pair], found.take(chunk))
            same[pair[matching.that_fit()]] = True
    return same


def _centrosymmetric(cells: Cells, which: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether some cells [n] are, all but exactly, their own inversion about some centre, [n]."""
    inversion = np.tile(-np.eye(3, dtype=np.int64), (len(which), 1, 1))
    onto_itself = Mappings(np.arange(len(which)), inversion, cells.lengths[which], cells.angles_deg[which])
    matching = SiteMatching.of(cells, which, which, onto_itself)
    matching = replace(matching, tolerance=np.full((len(which), 3), SYMMETRY_TOLERANCE))
    row, shift = matching.rows()
    found = np.zeros(len(which), dtype=bool)
    found[row[matching.covered(row, shift)]] = True
    return found


def _rank(found: Mappings, lengths: NDArray[np.float64], angles_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each mapping among those of its pair, the closest in lengths and angles being 0, [m]."""
    off = np.abs(found.lengths / lengths[found.pair] - 1).max(axis=1) / LENGTH_TOLERANCE
    off += np.abs(found.angles_deg - angles_deg[found.pair]).max(axis=1) / ANGLE_TOLERANCE_DEG
    order = np.lexsort((np.round(off, 6), found.pair))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = ranges(np.bincount(found.pair))
    return rank
