"""Whether two crystals are the same: the decision of pymatgen's StructureMatcher, for very many pairs at once.

The tolerances are pymatgen's defaults, those of GNoME's and the Materials Project's duplicate removal. Two reduced
crystals (see `primitive`) of one composition are the same if some basis of the first's lattice looks like the second's
(lengths to 20 %, angles to 5 degrees), and if, put into the mean of the two cells with one atom of the rarest element
upon another, all atoms pair with atoms of their kind, none farther apart than 0.3 (V/n)^(1/3) once the mean shift is
taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.lattices import (
    Mappings,
    determinants,
    inverse_heights,
    leading_sign,
    lengths_and_angles,
    lll,
    mappings,
    metric,
    triangular,
    unimodular_inverse,
)
from gnome_lite.novelty.primitive import reduced
from gnome_lite.novelty.ragged import ranges, spread

LENGTH_TOLERANCE = 0.2
"""Relative, of lattice lengths after both cells are scaled to one volume."""
SITE_TOLERANCE = 0.3
"""Largest displacement in units of (volume per atom)^(1/3): 0.75 Å at 15 Å^3."""
ANGLE_TOLERANCE_DEG = 5.0
SHORTEST = 0.1
"""A lattice vector shorter than this times (V/n)^(1/3) makes no crystal, and would make countless lattice mappings."""
SYMMETRY_TOLERANCE = 1e-6
WORTH_A_LOOK = 500
"""Lattice mappings from which on it pays to look for inversion symmetry."""
WAVES = (1, 4, 1 << 30)
"""Lattice mappings tried at a time, the closest first: crystals that are the same seldom need the rest."""
CHUNK_MAPPINGS = 20_000
CHUNK_WORK = 20_000
"""Mappings, and pairs of compact lattices, worked on at once (about 100 MB at 20 atoms)."""


def same(a: Crystal, b: Crystal) -> bool:
    """Whether two crystals are the same after reduction to primitive cells of equal volume."""
    cells = Cells.of(CrystalBatch.from_crystals([a, b]))
    alike = cells.keys[0] == cells.keys[1] != b""
    return alike and bool(fits(cells, np.array([0]), np.array([1]))[0])


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Reduced crystals ready to be compared; only those of equal key can be the same.

    Attributes:
        crystals: Niggli-reduced primitive cells of volume n_atoms; sites by element, the rarest element first.
        keys: the atomic numbers in that order, as bytes; b"" for what is no crystal.
        anchor: index (in the crystal) of the atom laid upon others: the first given of a rarest element, [n].
        block_start, block_size: the atoms of the same element (index in the crystal) as each atom, [n_atoms] each.
        lengths, angles_deg: of the lattices, [n, 3] each.
    """

    crystals: CrystalBatch
    keys: list[bytes]
    anchor: NDArray[np.int64]
    block_start: NDArray[np.int64]
    block_size: NDArray[np.int64]
    lengths: NDArray[np.float64]
    angles_deg: NDArray[np.float64]

    @classmethod
    def of(cls, crystals: CrystalBatch) -> Cells:
        """Reduce crystals and lay out their sites for comparison."""
        batch = reduced(crystals)
        owner = batch.crystal_of_atom
        count = batch.counts[owner, batch.numbers]
        order = np.lexsort((batch.numbers, count, owner))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        numbers, start = batch.numbers[order], batch.offsets[:-1]
        laid_out = CrystalBatch(numbers, batch.frac_coords[order], batch.lattices, batch.offsets)
        # The first site of the input that is of a rarest element, whichever element that is.
        rarest = np.flatnonzero(count == count[order[start]][owner])
        _, first = np.unique(owner[rarest], return_index=True)
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(numbers) != 0) | (np.diff(owner) != 0)
        block = np.cumsum(new) - 1
        begin = np.flatnonzero(new)
        with np.errstate(invalid="ignore", divide="ignore"):
            lengths, angles = lengths_and_angles(batch.lattices)
            sane = (np.abs(batch.volumes / batch.n_atoms - 1) < 1e-6) & (lengths.min(axis=1) > SHORTEST)
        raw = numbers.astype(np.uint8).tobytes()
        ends = batch.offsets.tolist()
        keys = [raw[a:b] if ok else b"" for a, b, ok in zip(ends[:-1], ends[1:], sane.tolist(), strict=True)]
        return cls(
            laid_out,
            keys,
            place[rarest[first]] - start,
            (begin - start[owner[begin]])[block],
            np.bincount(block)[block],
            lengths,
            angles,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Cells]) -> Cells:
        return cls(
            CrystalBatch.concatenate([p.crystals for p in parts]),
            [key for p in parts for key in p.keys],
            np.concatenate([p.anchor for p in parts]),
            np.concatenate([p.block_start for p in parts]),
            np.concatenate([p.block_size for p in parts]),
            np.concatenate([p.lengths for p in parts]),
            np.concatenate([p.angles_deg for p in parts]),
        )

    def __len__(self) -> int:
        return len(self.crystals)

    def take(self, which: NDArray[np.int64]) -> Cells:
        """The cells at integer indices, in that order."""
        _, atoms = spread(self.crystals.offsets[which], self.crystals.n_atoms[which])
        return Cells(
            self.crystals.take(which),
            [self.keys[i] for i in which],
            self.anchor[which],
            self.block_start[atoms],
            self.block_size[atoms],
            self.lengths[which],
            self.angles_deg[which],
        )


def fits(cells: Cells, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether cells `first` are the same as cells `second`, pair by pair, [p].

    The relation is StructureMatcher's `fit(first, second)`: near the tolerances it is not quite symmetric.

    Args:
        first, second: indices of cells of equal, non-empty key, [p] each.
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
    found = mappings(
        cells.crystals.lattices[first],
        cells.lengths[second],
        cells.angles_deg[second],
        LENGTH_TOLERANCE,
        ANGLE_TOLERANCE_DEG,
    )
    if len(found.pair) > WORTH_A_LOOK:
        # Under inversion a centrosymmetric crystal is itself: of each mapping and its opposite one is enough.
        firsts, of = np.unique(first, return_inverse=True)
        opposite = leading_sign(found.basis[:, 0]) < 0
        found = found.take(np.flatnonzero(~(opposite & _centrosymmetric(cells, firsts)[of][found.pair])))
    rank = _rank(found, cells.lengths[second], cells.angles_deg[second])
    low = 0
    for width in WAVES:
        wave = np.flatnonzero((rank >= low) & (rank < low + width) & ~same[found.pair])
        low += width
        for chunk in np.array_split(wave, len(wave) // CHUNK_MAPPINGS + 1):
            pair = found.pair[chunk]
            overlays = _Overlays.of(cells, first[pair], second[pair], found.take(chunk))
            same[pair[overlays.that_fit()]] = True
    return same


def _centrosymmetric(cells: Cells, which: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether some cells [n] are, all but exactly, their own inversion about some centre, [n]."""
    inversion = np.tile(-np.eye(3, dtype=np.int64), (len(which), 1, 1))
    onto_itself = Mappings(np.arange(len(which)), inversion, cells.lengths[which], cells.angles_deg[which])
    overlays = replace(
        _Overlays.of(cells, which, which, onto_itself), tolerance=np.full((len(which), 3), SYMMETRY_TOLERANCE)
    )
    row, shift = overlays.rows()
    found = np.zeros(len(which), dtype=bool)
    found[row[overlays.covered(row, shift)]] = True
    return found


def _rank(found: Mappings, lengths: NDArray[np.float64], angles_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of each mapping among those of its pair, the closest to the pair's lengths and angles being 0, [m]."""
    off = np.abs(found.lengths / lengths[found.pair] - 1).max(axis=1) / LENGTH_TOLERANCE
    off += np.abs(found.angles_deg - angles_deg[found.pair]).max(axis=1) / ANGLE_TOLERANCE_DEG
    order = np.lexsort((np.round(off, 6), found.pair))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = ranges(np.bincount(found.pair))
    return rank


@dataclass(frozen=True, slots=True, eq=False)
class _Overlays:
    """First crystals in bases that look like the second's: m mappings, each with a common, mean cell.

    Attributes:
        first, second: indices of cells, [m] each.
        inverse: changes fractional coordinates of the first into those in its new basis, [m, 3, 3].
        mean: metric of the common cell, [m, 3, 3].
        scale: (V/n)^(1/3) of the common cell, [m].
        tolerance: fractional, twice the site tolerance along each axis, [m, 3].
    """

    cells: Cells
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    inverse: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    tolerance: NDArray[np.float64]

    @classmethod
    def of(cls, cells: Cells, first: NDArray[np.int64], second: NDArray[np.int64], found: Mappings) -> _Overlays:
        """Of m mappings `found` between cells `first` and `second`, [m] each."""
        mean = metric((found.lengths + cells.lengths[second]) / 2, (found.angles_deg + cells.angles_deg[second]) / 2)
        # The mean of two sets of angles may, in principle, close to no cell.
        real = determinants(mean) > 1e-12
        mean[~real] = np.eye(3)
        scale = np.cbrt(np.sqrt(determinants(mean)) / cells.crystals.n_atoms[first])
        tolerance = 2 * SITE_TOLERANCE * scale[:, None] * inverse_heights(triangular(mean))
        tolerance[~real] = -1.0
        inverse = unimodular_inverse(found.basis).astype(np.float64)
        return cls(cells, first, second, inverse, mean, scale, tolerance)

    @property
    def _sites(self) -> NDArray[np.int64]:
        return np.arange(len(self.cells.crystals.numbers))

    def that_fit(self) -> NDArray[np.int64]:
        """Those of the mappings under which the two crystals are the same."""
        row, shift = self.rows()
        # Probes and distances refuse most rows at the least cost; what they leave must pass all three tests.
        for test in (self.probed, self.close, self.covered):
            keep = test(row, shift)
            row, shift = row[keep], shift[keep]
        return np.unique(row)

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """One row for each atom of the first that the second's anchor may be laid upon: its mapping, ascending, [r];
        and the shift of the second that lays it there, fractional, [r, 3]."""
        crystals = self.cells.crystals
        anchor = crystals.offsets[self.second] + self.cells.anchor[self.second]
        row, target = spread(
            crystals.offsets[self.first] + self.cells.block_start[anchor], self.cells.block_size[anchor]
        )
        shift = _times(crystals.frac_coords[target], self.inverse[row])
        shift -= crystals.frac_coords[anchor[row]]
        return row, shift

    def probed(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether one atom of each element of the second, shifted, has one of its kind near it, [r]."""
        crystals = self.cells.crystals
        local = np.arange(len(self.cells.block_start)) - np.repeat(crystals.offsets[:-1], crystals.n_atoms)
        probes = np.flatnonzero(local == self.cells.block_start)
        gaps = _Gaps.of(self, row, shift, probes, np.searchsorted(probes, crystals.offsets), None)
        return gaps.cover(gaps.within(self.tolerance[row]))

    def covered(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each atom of the second, shifted, has one of its kind near it, [r]."""
        gaps = _Gaps.of(self, row, shift, self._sites, self.cells.crystals.offsets, None)
        return gaps.cover(gaps.within(self.tolerance[row]))

    def close(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether atoms, paired at the least sum of squares and the mean shift taken out, lie close enough, [r]."""
        good = np.zeros(len(row), dtype=bool)
        used, of = _distinct(row)
        basis = triangular(self.mean[used])
        transform = lll(basis)
        basis = transform @ basis
        tolerance = inverse_heights(basis) * (2 * SITE_TOLERANCE * self.scale[used])[:, None]
        change = unimodular_inverse(transform).astype(np.float64)
        gaps = _Gaps.of(self, row, shift, self._sites, self.cells.crystals.offsets, change)
        inside = gaps.within(tolerance[of])
        near = np.flatnonzero(inside & gaps.cover(inside)[gaps.of_site][gaps.of_gap])
        if not len(near):
            return good
        of_gap = gaps.of_gap[near]
        at, site, off = gaps.of_site[of_gap], gaps.site[of_gap], gaps.off[:, near]
        partner = gaps.partner[near] - gaps.base[at]
        gram = (basis @ basis.transpose(0, 2, 1))[of][at]
        projected = _times(off.T, gram)
        squared = np.einsum("ij,ji->i", projected, off)
        # Only an offset of half the shortest lattice vector or more may have a shorter image.
        lattice = ((_IMAGES @ basis) ** 2).sum(axis=2)
        far = np.flatnonzero(squared >= (lattice[:, 1:].min(axis=1) / 4)[of][at])
        if len(far):
            # |off + s|^2 - |off|^2 of all neighbouring cells s.
            gain = 2 * projected[far] @ _IMAGES.T + lattice[of][at[far]]
            best = gain.argmin(axis=1)
            off[:, far] += _IMAGES[best].T
            squared[far] += gain[np.arange(len(far)), best]
        n = self.cells.crystals.n_atoms[self.second[row]]
        chosen = _paired(at, site, partner, squared, n)
        if not len(chosen):
            return good
        at = at[chosen]
        first = np.flatnonzero(np.diff(at, prepend=-1))
        done = at[first]
        vector = _times(off[:, chosen].T, basis[of[at]])
        vector -= np.repeat(np.add.reduceat(vector, first) / n[done][:, None], n[done], axis=0)
        largest = np.maximum.reduceat(np.einsum("ij,ij->i", vector, vector), first)
        good[done] = largest < (SITE_TOLERANCE * self.scale[row[done]]) ** 2
        return good


@dataclass(frozen=True, slots=True, eq=False)
class _Gaps:
    """Offsets between like atoms of the second and the first crystals of r rows: s sites, e offsets.

    Attributes:
        of_site: row of each site, ascending, [s].
        site: the site as an atom of the second crystal, [s].
        of_gap: site of each offset, ascending, [e].
        partner: the atom of the first, counted over all rows' first crystals, [e].
        base: where those of each row begin, [r].
        size: offsets of each site, [s].
        n_sites: sites of each row, [r].
        off: fractional, at most half a cell, [3, e].
    """

    of_site: NDArray[np.int64]
    site: NDArray[np.int64]
    of_gap: NDArray[np.int64]
    partner: NDArray[np.int64]
    base: NDArray[np.int64]
    size: NDArray[np.int64]
    n_sites: NDArray[np.int64]
    off: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        overlays: _Overlays,
        row: NDArray[np.int64],
        shift: NDArray[np.float64],
        sites: NDArray[np.int64],
        offsets: NDArray[np.int64],
        change: NDArray[np.float64] | None,
    ) -> _Gaps:
        """Of some sites of the second to all like atoms of the first.

        Args:
            row: mapping of each row, ascending, [r].
            shift: added to the second's fractional coordinates, [r, 3].
            sites: atoms to look at; crystal i's are sites[offsets[i]:offsets[i + 1]].
            change: to other fractional coordinates, of each distinct mapping, [number of them, 3, 3].
        """
        cells = overlays.cells
        used, of = _distinct(row)
        inverse = overlays.inverse[used] if change is None else overlays.inverse[used] @ change
        n = cells.crystals.n_atoms[overlays.first[used]]
        owner, atom = spread(cells.crystals.offsets[overlays.first[used]], n)
        one = _times(cells.crystals.frac_coords[atom], inverse[owner])
        base = (np.cumsum(n) - n)[of]
        second = overlays.second[row]
        n_sites = np.diff(offsets)[second]
        of_site, place = spread(offsets[second], n_sites)
        atom = sites[place]
        two = cells.crystals.frac_coords[atom] + shift[of_site]
        if change is not None:
            two = _times(two, change[of][of_site])
        size = cells.block_size[atom]
        of_gap, partner = spread(base[of_site] + cells.block_start[atom], size)
        # Coordinates as three long rows: the many entries are then worked through without gaps in memory.
        off = one.T.copy().take(partner, axis=1) - two.T.copy().take(of_gap, axis=1)
        off -= np.rint(off)
        return cls(of_site, atom - cells.crystals.offsets[second][of_site], of_gap, partner, base, size, n_sites, off)

    def within(self, tolerance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each offset is within its row's tolerance [r, 3] along every axis, [e]."""
        x, y, z = np.abs(self.off)
        limit = tolerance.T.copy().take(self.of_site, axis=1)
        return np.asarray((x <= limit[0, self.of_gap]) & (y <= limit[1, self.of_gap]) & (z <= limit[2, self.of_gap]))

    def cover(self, near: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether every site of a row has a partner that is near, of [e] entries, [r]."""
        if not len(near):
            return np.empty(0, dtype=bool)
        site = np.logical_or.reduceat(near, np.cumsum(self.size) - self.size)
        return np.asarray(np.logical_and.reduceat(site, np.cumsum(self.n_sites) - self.n_sites))


_IMAGES = np.stack(np.meshgrid(*[[0.0, -1.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
"""A cell and its 26 neighbours, itself first."""


def _distinct(ascending: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct values, and which of them each is."""
    new = np.diff(ascending, prepend=-1) != 0
    return ascending[new], np.cumsum(new) - 1


def _times(vectors: NDArray[np.float64], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each of n row vectors times its matrix, [n, 3]."""
    return np.asarray((vectors[:, None, :] @ matrices)[:, 0])


def _paired(
    row: NDArray[np.int64],
    site: NDArray[np.int64],
    partner: NDArray[np.int64],
    squared: NDArray[np.float64],
    n: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The pairing of least sum of squares, where there is a complete one: entries, n[row] of each row together.

    Args:
        row, site, partner, squared: entries that may be chosen, by ascending row, [e] each.
        n: sites of each row, [r].
    """
    from scipy.optimize import linear_sum_assignment

    start = np.cumsum(n) - n
    key = start[row] + site
    of_site = np.flatnonzero(np.diff(key, prepend=-1))
    count = np.diff(of_site, append=len(row))
    least = np.flatnonzero(squared == np.repeat(np.minimum.reduceat(squared, of_site), count))
    # Each site's nearest partner makes the best pairing, if no two sites share one; and there is none at all
    # if some partner is near no site.
    mate = np.full(int(n.sum()), -1)
    mate[key[least[::-1]]] = partner[least[::-1]]
    paired, near = np.zeros((2, len(mate)), dtype=bool)
    with_mate = np.flatnonzero(mate >= 0)
    paired[np.repeat(start, n)[with_mate] + mate[with_mate]] = True
    near[start[row] + partner] = True
    bijective = np.logical_and.reduceat(paired, start)
    open = np.flatnonzero(~bijective & np.logical_and.reduceat(near, start))
    ends = np.searchsorted(row, np.stack([open, open + 1]))
    for r, low, high in zip(open.tolist(), *ends.tolist(), strict=True):
        cost = np.full((n[r], n[r]), 1e20)
        cost[site[low:high], partner[low:high]] = squared[low:high]
        mate[start[r] : start[r] + n[r]] = linear_sum_assignment(cost)[1]
    bijective[open] = True
    chosen = np.flatnonzero((partner == mate[key]) & bijective[row])
    complete = np.bincount(row[chosen], minlength=len(n)) == n
    return chosen[complete[row[chosen]]]
