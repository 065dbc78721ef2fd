"""All ways to lay one lattice on another, for many pairs at once: pymatgen's `Lattice.find_all_mappings`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.distances import cells_in_box
from gnome_lite.core.ragged import join
from gnome_lite.novelty.matcher.lattices import determinants, inverse_heights, lengths_and_angles


@dataclass(frozen=True, slots=True, eq=False)
class Mappings:
    """Bases of one lattice that look like another's, for many pairs of lattices: m in all, by ascending pair.

    Attributes:
        pair: which pair it belongs to, [m].
        basis: the basis in terms of the first lattice, integers of determinant +-1, [m, 3, 3].
        lengths, angles_deg: of that basis, [m, 3] each.
    """

    pair: NDArray[np.int64]
    basis: NDArray[np.int64]
    lengths: NDArray[np.float64]
    angles_deg: NDArray[np.float64]

    def take(self, which: NDArray[np.int64]) -> Mappings:
        return Mappings(*(getattr(self, column.name).take(which, axis=0) for column in fields(self)))


def mappings(
    first: NDArray[np.float64],
    lengths: NDArray[np.float64],
    angles_deg: NDArray[np.float64],
    length_tolerance: float | NDArray[np.float64],
    angle_tolerance_deg: float,
    reach: int | None = None,
) -> Mappings:
    """Return all bases of the first lattices [p, 3, 3] close to given lengths and angles, [p, 3] each.

    Args:
        first: compact (Niggli-reduced) lattices.
        lengths: of the bases wanted, [p, 3].
        angles_deg: likewise.
        length_tolerance: lengths may differ by a factor of 1 + this, of all pairs or of each [p].
        angle_tolerance_deg: angles may differ by this.
        reach: largest multiple of a lattice vector that need be looked at, None = all that are short enough.
    """
    pair, point = _half_points(first, lengths.max(axis=1) * (1 + length_tolerance), reach)
    cart = np.einsum("ij,ijk->ik", point, first.take(pair, axis=0))
    norm = np.sqrt(np.einsum("ij,ij->i", cart, cart))
    most = np.broadcast_to(1 + np.asarray(length_tolerance), (len(first),))[pair]
    within = []
    for axis in range(3):
        ratio = norm / lengths[pair, axis]
        within.append((ratio < most) & (ratio > 1 / most))
    used = np.flatnonzero(within[0] | within[1] | within[2])
    pair, point, cart = pair.take(used), point.take(used, axis=0), cart.take(used, axis=0)
    unit = cart / norm[used, None]
    low = np.cos(np.radians(np.minimum(angles_deg + angle_tolerance_deg, 180.0)))
    high = np.cos(np.radians(np.maximum(angles_deg - angle_tolerance_deg, 0.0)))

    def cosines(i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ij,ij->i", unit.take(i, axis=0), unit.take(j, axis=0)))

    def between(cosine: NDArray[np.float64], which: int, of: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((cosine >= low[:, which].take(of)) & (cosine <= high[:, which].take(of)))

    # Of +-(a, b, c) one is enough, the other has the same lengths and angles: a is from one half of space, b and c are
    # such vectors times a sign.
    a, b, c = (np.flatnonzero(w[used]) for w in within)
    row_b, b, sign_b = _angled(pair, a, b, 2, cosines, between, len(first))
    row_c, c, sign_c = _angled(pair, a, c, 1, cosines, between, len(first))
    left, right = join(row_b, row_c, len(a))
    a, b, sign_b = a.take(row_b.take(left)), b.take(left), sign_b.take(left)
    c, sign_c = c.take(right), sign_c.take(right)
    keep = np.flatnonzero(between(sign_b * sign_c * cosines(b, c), 0, pair.take(a)))
    a, b, c = a.take(keep), b.take(keep), c.take(keep)
    sign_b, sign_c = sign_b.take(keep), sign_c.take(keep)
    basis = np.stack(
        [point.take(a, axis=0), sign_b[:, None] * point.take(b, axis=0), sign_c[:, None] * point.take(c, axis=0)],
        axis=1,
    ).astype(np.int64)
    keep = np.abs(determinants(basis)) == 1
    a, basis = a[keep], basis[keep]
    long, wide = lengths_and_angles(basis @ first.take(pair[a], axis=0))
    both = np.concatenate([pair[a], pair[a]])
    order = np.argsort(both, kind="stable")
    return Mappings(
        both[order],
        np.concatenate([basis, -basis]).take(order, axis=0),
        np.concatenate([long, long]).take(order, axis=0),
        np.concatenate([wide, wide]).take(order, axis=0),
    )


def _angled(
    pair: NDArray[np.int64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    which: int,
    cosines: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    between: Callable[[NDArray[np.float64], int, NDArray[np.int64]], NDArray[np.bool_]],
    n: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return combinations of a and +-b of a pair at the right angle: index into a, ascending; b; its sign."""
    left, right = join(pair[a], pair[b], n)
    cosine = cosines(a[left], b[right])
    of = pair[a[left]]
    plus, minus = between(cosine, which, of), between(-cosine, which, of)
    row = np.concatenate([left[plus], left[minus]])
    order = np.argsort(row, kind="stable")
    sign = np.repeat([1.0, -1.0], [plus.sum(), minus.sum()])
    return row[order], np.concatenate([b[right[plus]], b[right[minus]]])[order], sign[order]


def _half_points(
    lattices: NDArray[np.float64], radius: NDArray[np.float64], limit: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return lattice points in a box around the sphere of each radius [p]: pair, and fractional coordinates.

    Of each two opposite points only the one is listed whose first coordinate that is not zero is positive.
    """
    reach = np.floor(radius[:, None] * inverse_heights(lattices) + 1e-8).astype(np.int64)
    reach = reach if limit is None else np.minimum(reach, limit)
    pairs, points = [np.empty(0, np.int64)], [np.empty((0, 3))]
    code = (reach[:, 0] << 40) + (reach[:, 1] << 20) + reach[:, 2]
    boxes, some, inverse = np.unique(code, return_index=True, return_inverse=True)
    for box in range(len(boxes)):
        members = np.flatnonzero(inverse == box)
        grid = _half_grid(*reach[some[box]].tolist())
        pairs.append(np.repeat(members, len(grid)))
        points.append(np.tile(grid, (len(members), 1)))
    pair = np.concatenate(pairs)
    order = np.argsort(pair, kind="stable")
    return pair[order], np.concatenate(points).take(order, axis=0)


@lru_cache(maxsize=1024)
def _half_grid(x: int, y: int, z: int) -> NDArray[np.float64]:
    """Return the integer points of one half of a box around zero, without zero, [m, 3]."""
    grid = cells_in_box((x, y, z))
    return grid[len(grid) // 2 + 1 :]  # zero lies in the middle
