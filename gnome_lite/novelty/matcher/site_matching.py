"""`SiteMatching`: crystals laid on one another, and whether their atoms then lie close enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.ragged import spread
from gnome_lite.novelty.matcher.cells import Cells
from gnome_lite.novelty.matcher.lattices import determinants, inverse_heights, metric, triangular, unimodular_inverse
from gnome_lite.novelty.matcher.mappings import Mappings
from gnome_lite.novelty.matcher.reduction import lll
from gnome_lite.novelty.matcher.tolerances import SITE_TOLERANCE


@dataclass(frozen=True, slots=True, eq=False)
class SiteMatching:
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
    def of(cls, cells: Cells, first: NDArray[np.int64], second: NDArray[np.int64], found: Mappings) -> SiteMatching:
        """Lay cells `first` on cells `second`, [m] each, by m mappings `found`."""
        mean = metric((found.lengths + cells.lengths[second]) / 2, (found.angles_deg + cells.angles_deg[second]) / 2)
        # The mean of two sets of angles may, in principle, close to no cell.
        real = determinants(mean) > 1e-12
        mean[~real] = np.eye(3)
        scale = np.cbrt(np.sqrt(determinants(mean)) / cells.crystals.n_atoms[first])
        tolerance = 2 * SITE_TOLERANCE * scale[:, None] * inverse_heights(triangular(mean))
        tolerance[~real] = -1.0
        inverse = unimodular_inverse(found.basis).astype(np.float64)
        return cls(cells, first, second, inverse, mean, scale, tolerance)

    def that_fit(self) -> NDArray[np.int64]:
        """Return those of the mappings under which the two crystals are the same."""
        row, shift = self.rows()
        # Probes and distances refuse most rows at the least cost; what they leave must pass all three tests.
        for test in (self.probed, self.close, self.covered):
            keep = test(row, shift)
            row, shift = row[keep], shift[keep]
        return np.unique(row)

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return one row for each atom of the first that the second's anchor may be laid upon.

        Its mapping, ascending, [r], and the shift of the second that lays the anchor there, fractional, [r, 3].
        """
        crystals = self.cells.crystals
        anchor = crystals.offsets[self.second] + self.cells.anchor[self.second]
        row, target = spread(
            crystals.offsets[self.first] + self.cells.block_start[anchor], self.cells.block_size[anchor]
        )
        shift = _times(crystals.frac_coords.take(target, axis=0), self.inverse.take(row, axis=0))
        shift -= crystals.frac_coords.take(anchor.take(row), axis=0)
        return row, shift

    def probed(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether one atom of each element of the second, shifted, has one of its kind near it, [r]."""
        crystals = self.cells.crystals
        local = np.arange(len(self.cells.block_start)) - np.repeat(crystals.offsets[:-1], crystals.n_atoms)
        probes = np.flatnonzero(local == self.cells.block_start)
        offsets = np.searchsorted(probes, crystals.offsets)
        return _Near.of(self, row, shift, probes, offsets, self.tolerance[row]).covered

    def covered(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each atom of the second, shifted, has one of its kind near it, [r]."""
        return _Near.of(
            self,
            row,
            shift,
            np.arange(len(self.cells.crystals.numbers)),
            self.cells.crystals.offsets,
            self.tolerance[row],
        ).covered

    def close(self, row: NDArray[np.int64], shift: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether atoms, paired at the least sum of squares without the mean shift, lie close enough, [r]."""
        good = np.zeros(len(row), dtype=bool)
        used, of = _distinct(row)
        basis = triangular(self.mean[used])
        transform = lll(basis)
        basis = transform @ basis
        tolerance = inverse_heights(basis) * (2 * SITE_TOLERANCE * self.scale[used])[:, None]
        change = unimodular_inverse(transform).astype(np.float64)
        near = _Near.of(
            self,
            row,
            shift,
            np.arange(len(self.cells.crystals.numbers)),
            self.cells.crystals.offsets,
            tolerance[of],
            change,
        )
        complete = near.covered[near.row]
        at, site, partner, off = near.row[complete], near.site[complete], near.partner[complete], near.off[:, complete]
        if not len(at):
            return good
        gram = basis @ basis.transpose(0, 2, 1)
        projected = _times(off.T, gram.take(of.take(at), axis=0))
        squared = np.einsum("ij,ji->i", projected, off)
        # Only an offset of half the shortest lattice vector or more may have a shorter image.
        lattice = ((_IMAGES @ basis) ** 2).sum(axis=2)
        far = np.flatnonzero(squared >= (lattice[:, 1:].min(axis=1) / 4)[of][at])
        if len(far):
            # |off + s|^2 - |off|^2 of all neighbouring cells s.
            gain = 2 * projected[far] @ _IMAGES.T + lattice.take(of.take(at.take(far)), axis=0)
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
        vector = _times(off.take(chosen, axis=1).T, basis.take(of.take(at), axis=0))
        vector -= np.repeat(np.add.reduceat(vector, first) / n[done, None], n[done], axis=0)
        largest = np.maximum.reduceat(np.einsum("ij,ij->i", vector, vector), first)
        good[done] = largest < (SITE_TOLERANCE * self.scale[row[done]]) ** 2
        return good


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """Pairs of like atoms of the second and the first crystals of r rows that are near each other, e in all.

    Attributes:
        row: ascending, [e].
        site, partner: atom of the second and of the first crystal, [e] each.
        off: from the one to the other, fractional, [3, e].
        covered: whether every site of the row has a partner, [r].
    """

    row: NDArray[np.int64]
    site: NDArray[np.int64]
    partner: NDArray[np.int64]
    off: NDArray[np.float64]
    covered: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        matching: SiteMatching,
        row: NDArray[np.int64],
        shift: NDArray[np.float64],
        sites: NDArray[np.int64],
        offsets: NDArray[np.int64],
        tolerance: NDArray[np.float64],
        change: NDArray[np.float64] | None = None,
    ) -> _Near:
        """Pair some sites of the second.

        Args:
            matching: the mappings.
            row: mapping of each row, ascending, [r].
            shift: added to the second's fractional coordinates, [r, 3].
            sites: atoms to look at.
            offsets: crystal i's are sites[offsets[i]:offsets[i + 1]].
            tolerance: along each axis, fractional, [r, 3].
            change: to other fractional coordinates, of each distinct mapping, [number of them, 3, 3].
        """
        cells = matching.cells
        begin = cells.crystals.offsets
        used, of = _distinct(row)
        inverse = matching.inverse[used] if change is None else matching.inverse[used] @ change
        n = cells.crystals.n_atoms[matching.first[used]]
        owner, atom = spread(begin[matching.first[used]], n)
        one = _times(cells.crystals.frac_coords.take(atom, axis=0), inverse.take(owner, axis=0)).T.copy()
        base = (np.cumsum(n) - n)[of]
        second = matching.second[row]
        n_sites = np.diff(offsets)[second]
        of_site, place = spread(offsets[second], n_sites)
        atom = sites[place]
        two = cells.crystals.frac_coords.take(atom, axis=0) + shift.take(of_site, axis=0)
        if change is not None:
            two = _times(two, change.take(of.take(of_site), axis=0))
        two, limit = two.T.copy(), tolerance.T.copy().take(of_site, axis=1)
        pair, partner = spread(base[of_site] + cells.block_start[atom], cells.block_size[atom])
        # One axis after another: each leaves fewer pairs to the next.
        off: list[NDArray[np.float64]] = []
        for axis in range(3):
            along = one[axis].take(partner) - two[axis].take(pair)
            along -= np.rint(along)
            near = np.flatnonzero(np.abs(along) <= limit[axis].take(pair))
            pair, partner = pair.take(near), partner.take(near)
            off = [*(o.take(near) for o in off), along.take(near)]
        met = np.zeros(len(of_site), dtype=bool)
        met[pair] = True
        covered = np.logical_and.reduceat(met, np.cumsum(n_sites) - n_sites) if len(row) else met
        at = of_site[pair]
        return cls(at, (atom - begin[second][of_site])[pair], partner - base[at], np.stack(off), covered)


_IMAGES = np.stack(np.meshgrid(*[[0.0, -1.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
"""A cell and its 26 neighbours, itself first."""


def _distinct(ascending: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct values, and which of them each is."""
    new = np.diff(ascending, prepend=-1) != 0
    return ascending[new], np.cumsum(new) - 1


def _times(vectors: NDArray[np.float64], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each of n row vectors times its matrix, [n, 3]."""
    return np.asarray(np.einsum("ij,ijk->ik", vectors, matrices))


def _paired(
    row: NDArray[np.int64],
    site: NDArray[np.int64],
    partner: NDArray[np.int64],
    squared: NDArray[np.float64],
    n: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the pairing of least sum of squares, where there is a complete one: entries, n[row] of each row together.

    Entries [e] that may be chosen come by ascending row; n is the number of sites of each row, [r].
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
