"""Lattices of many crystals at once: Niggli reduction, and all ways to lay one lattice on another.

Both follow pymatgen's `Lattice.get_niggli_reduced_lattice` and `Lattice.find_all_mappings` to the tolerances, because
`match` must decide as `StructureMatcher` does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gnome_lite.novelty.ragged import join

Number = TypeVar("Number", np.int64, np.float64)

NIGGLI_TOLERANCE = 1e-5
"""Times the cube root of the volume."""
MAX_STEPS = 100
MAX_NIGGLI_STEPS = 24
"""From a size-reduced basis; few take ten. One that swings between forms equal within the tolerance is left there."""
NIGGLI_ANGLE_TOLERANCE_DEG = 1.0
POINT_TOLERANCE_ANG = 1e-8


def lengths_and_angles(lattices: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lengths a, b, c and angles alpha, beta, gamma in degrees of lattices [n, 3, 3]; [n, 3] each."""
    lengths = np.sqrt((lattices**2).sum(axis=2))
    unit = lattices / lengths[:, :, None]
    cosines = (unit[:, [1, 0, 0]] * unit[:, [2, 2, 1]]).sum(axis=2)
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))


def metric(lengths: NDArray[np.float64], angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metric tensors [n, 3, 3] of lengths and angles, [n, 3] each."""
    cosines = np.cos(np.radians(angles_deg))
    tensor = lengths[:, :, None] * lengths[:, None, :]
    for angle, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        tensor[:, i, j] *= cosines[:, angle]
        tensor[:, j, i] = tensor[:, i, j]
    return tensor


def niggli(lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integer matrices T [n, 3, 3] of determinant 1 with which T @ lattice is the Niggli-reduced basis.

    R. W. Grosse-Kunstleve, N. K. Sauter & P. D. Adams, Acta Cryst. A 60, 1 (2004), doi 10.1107/S010876730302186X.

    Args:
        lattices: lattice vectors as rows, of non-zero volume, [n, 3, 3].
    """
    start = _size_reduced(lattices)
    return _niggli_steps(start @ lattices) @ start


def first_listed(transform: NDArray[np.int64], lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of all bases like the Niggli-reduced one the one that pymatgen keeps, [n, 3, 3].

    A symmetric lattice has many, and where angles are near 90 degrees even bases of the other sign are taken for it
    (to 1 degree). pymatgen keeps the first in the order in which it lists lattice points: by octant, those of negative
    x, then y, then z first; inside an octant by descending multiples of the given lattice vectors.

    Args:
        transform: of `niggli`.
        lattices: as given to `niggli`.
    """
    basis = transform @ lattices
    tolerance = NIGGLI_TOLERANCE * np.cbrt(np.abs(determinants(basis)))
    found = mappings(basis, *lengths_and_angles(basis), tolerance, NIGGLI_ANGLE_TOLERANCE_DEG, reach=1)
    # Of +-basis the one that keeps the hand.
    found = found.take(np.flatnonzero(determinants(found.basis) > 0))
    points = found.basis @ transform[found.pair]
    octant = points @ lattices[found.pair] >= -POINT_TOLERANCE_ANG
    keys = np.concatenate([octant, -points], axis=2).reshape(-1, 18)
    order = np.lexsort((*keys.T[::-1], found.pair))
    pair = found.pair[order]
    first = order[np.flatnonzero(np.diff(pair, prepend=-1))]
    kept = transform.copy()
    kept[found.pair[first]] = points[first]
    return kept


def _size_reduced(lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Transforms to bases in which no vector grows shorter by multiples of one other: few Niggli steps remain."""
    transform = np.tile(np.eye(3, dtype=np.int64), (len(lattices), 1, 1))
    basis = lattices.copy()
    active = np.arange(len(lattices))
    for _ in range(MAX_STEPS):
        changed = np.zeros(len(active), dtype=bool)
        for i, j in ((1, 0), (2, 0), (2, 1), (0, 1), (0, 2), (1, 2)):
            b = basis[active]
            ratio = (b[:, i] * b[:, j]).sum(axis=1) / (b[:, j] ** 2).sum(axis=1)
            # A ratio of one half is a tie, which rounding noise must not swing to and fro.
            times = np.where(np.abs(ratio) > 0.5 + 1e-9, np.rint(ratio), 0.0)
            hit = times != 0
            if hit.any():
                rows = active[hit]
                basis[rows, i] -= times[hit, None] * basis[rows, j]
                transform[rows, i] -= times[hit, None].astype(np.int64) * transform[rows, j]
                changed |= hit
        active = active[changed]
        if not len(active):
            break
    return transform


def _niggli_steps(basis: NDArray[np.float64]) -> NDArray[np.int64]:
    """Steps A1 to A8 of the paper on all lattices at once: transforms, [n, 3, 3]."""
    n = len(basis)
    gram = basis @ basis.transpose(0, 2, 1)
    form = np.stack([gram[:, 0, 0], gram[:, 1, 1], gram[:, 2, 2], *(2 * gram[:, [1, 0, 0], [2, 2, 1]].T)])
    transform = np.tile(np.eye(3, dtype=np.int64), (n, 1, 1))
    epsilon = NIGGLI_TOLERANCE * np.cbrt(np.abs(determinants(basis)))
    active = np.arange(n)
    for _ in range(MAX_NIGGLI_STEPS):
        step = _Steps(form[:, active], transform[active], epsilon[active])
        again = step.once()
        form[:, active], transform[active] = step.form, step.transform
        active = active[again]
        if not len(active):
            break
    return transform


@dataclass(slots=True)
class _Steps:
    """One pass of the algorithm over m lattices; letters as in the paper, lower-case e is its epsilon."""

    form: NDArray[np.float64]
    transform: NDArray[np.int64]
    e: NDArray[np.float64]

    def once(self) -> NDArray[np.bool_]:
        """Whether each lattice needs another pass, [m]."""
        e = self.e
        A, B, C, E, N, Y = self.form
        self._swap((B + e < A) | ((np.abs(A - B) < e) & (np.abs(E) > np.abs(N) + e)), 0, 1)
        A, B, C, E, N, Y = self.form
        done = (C + e < B) | ((np.abs(B - C) < e) & (np.abs(N) > np.abs(Y) + e))
        self._swap(done, 1, 2)
        left = ~done
        self._signs(left)
        A, B, C, E, N, Y = self.form
        a5 = (np.abs(E) > B + e) | ((np.abs(E - B) < e) & (Y - e > 2 * N)) | ((np.abs(E + B) < e) & (-e > Y))
        a6 = (np.abs(N) > A + e) | ((np.abs(A - N) < e) & (Y - e > 2 * E)) | ((np.abs(A + N) < e) & (-e > Y))
        a7 = (np.abs(Y) > A + e) | ((np.abs(A - Y) < e) & (N - e > 2 * E)) | ((np.abs(A + Y) < e) & (-e > N))
        total = E + N + Y + A + B
        a8 = (-e > total) | ((np.abs(total) < e) & (e < Y + 2 * (A + N)))
        for wanted, step in ((a5, self._a5), (a6, self._a6), (a7, self._a7), (a8, self._a8)):
            now = np.flatnonzero(wanted & left)
            left[now] = False
            if len(now):
                step(now)
        return ~left

    def _swap(self, where: NDArray[np.bool_], i: int, j: int) -> None:
        now = np.flatnonzero(where)
        if len(now):
            for x, y in ((i, j), (3 + i, 3 + j)):
                self.form[x, now], self.form[y, now] = self.form[y, now], self.form[x, now]
            self.transform[now] *= -1
            self.transform[now[:, None], [i, j]] = self.transform[now[:, None], [j, i]]

    def _signs(self, where: NDArray[np.bool_]) -> None:
        """A3 and A4: all three angles acute, or none."""
        sign = np.where(np.abs(self.form[3:]) < self.e, 0, np.sign(self.form[3:])).astype(np.int64)
        acute = sign.prod(axis=0) == 1
        flip = np.where(acute, np.where(sign == -1, -1, 1), np.where(sign == 1, -1, 1))
        odd = ~acute & (flip.prod(axis=0) == -1)
        # One more vector must turn: the last whose angle is right.
        for axis in (2, 1, 0):
            turn = odd & (sign[axis] == 0)
            flip[axis, turn] = -1
            odd &= ~turn
        flip[:, ~where] = 1
        self.form[3:] *= flip[[1, 0, 0]] * flip[[2, 2, 1]]
        self.transform *= flip.T[:, :, None]

    def _a5(self, now: NDArray[np.int64]) -> None:
        _, B, _, E, _, Y = self.form[:, now]
        s = np.sign(E)
        self.form[2, now] += B - s * E
        self.form[3, now] -= 2 * s * B
        self.form[4, now] -= s * Y
        self.transform[now, 2] -= s.astype(np.int64)[:, None] * self.transform[now, 1]

    def _a6(self, now: NDArray[np.int64]) -> None:
        A, _, _, _, N, Y = self.form[:, now]
        s = np.sign(N)
        self.form[2, now] += A - s * N
        self.form[3, now] -= s * Y
        self.form[4, now] -= 2 * s * A
        self.transform[now, 2] -= s.astype(np.int64)[:, None] * self.transform[now, 0]

    def _a7(self, now: NDArray[np.int64]) -> None:
        A, _, _, _, N, Y = self.form[:, now]
        s = np.sign(Y)
        self.form[1, now] += A - s * Y
        self.form[3, now] -= s * N
        self.form[5, now] -= 2 * s * A
        self.transform[now, 1] -= s.astype(np.int64)[:, None] * self.transform[now, 0]

    def _a8(self, now: NDArray[np.int64]) -> None:
        A, B, _, E, N, Y = self.form[:, now]
        self.form[2, now] += A + B + E + N + Y
        self.form[3, now] += 2 * B + Y
        self.form[4, now] += 2 * A + Y
        self.transform[now, 2] += self.transform[now, 0] + self.transform[now, 1]


def lll(lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integer matrices T [n, 3, 3] with which T @ lattice is Lenstra-Lenstra-Lovász-reduced at delta = 3/4.

    Args:
        lattices: lattice vectors as rows, [n, 3, 3].
    """
    n = len(lattices)
    transform = np.tile(np.eye(3, dtype=np.int64), (n, 1, 1))
    active, level = np.arange(n), np.ones(n, dtype=np.int64)
    for _ in range(MAX_STEPS):
        basis = transform[active] @ lattices[active]
        u, squared = _gram_schmidt(basis)
        times = np.zeros((len(active), 3, 3), dtype=np.int64)
        upper = level[active] == 2
        times[:, 1, 0] = np.where(upper, 0, np.rint(u[:, 1, 0]))
        times[:, 2, 1] = np.where(upper, np.rint(u[:, 2, 1]), 0)
        rest = u[:, 2, 0] - times[:, 2, 1] * u[:, 1, 0]
        times[:, 2, 0] = np.where(upper, np.rint(rest), 0)
        transform[active] -= times @ transform[active]
        below = np.where(upper, u[:, 2, 1] - times[:, 2, 1], u[:, 1, 0] - times[:, 1, 0])
        k = level[active]
        m = np.arange(len(active))
        grows = squared[m, k] >= (0.75 - below**2) * squared[m, k - 1]
        down, at = active[~grows], k[~grows]
        transform[down, at], transform[down, at - 1] = transform[down, at - 1], transform[down, at]
        level[active] = np.where(grows, k + 1, 1)
        active = active[level[active] < 3]
        if not len(active):
            break
    return transform


def _gram_schmidt(basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients [n, 3, 3] and squared lengths [n, 3] of the orthogonalised vectors."""
    gram = basis @ basis.transpose(0, 2, 1)
    triangle = triangular(gram)
    length = triangle[:, [0, 1, 2], [0, 1, 2]]
    return np.asarray(triangle / length[:, None, :]), np.asarray(length**2)


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
        return Mappings(self.pair[which], self.basis[which], self.lengths[which], self.angles_deg[which])


def mappings(
    first: NDArray[np.float64],
    lengths: NDArray[np.float64],
    angles_deg: NDArray[np.float64],
    length_tolerance: float | NDArray[np.float64],
    angle_tolerance_deg: float,
    reach: int | None = None,
) -> Mappings:
    """All bases of the first lattices [p, 3, 3] close to given lengths and angles, [p, 3] each.

    Args:
        first: compact (Niggli-reduced) lattices.
        length_tolerance: lengths may differ by a factor of 1 + this, of all pairs or of each [p].
        angle_tolerance_deg: angles may differ by this.
        reach: largest multiple of a lattice vector that need be looked at, None = all that are short enough.
    """
    pair, point = _half_points(first, lengths.max(axis=1) * (1 + length_tolerance), reach)
    cart = (point[:, None, :] @ first[pair])[:, 0]
    norm = np.sqrt(np.einsum("ij,ij->i", cart, cart))
    most = np.broadcast_to(1 + np.asarray(length_tolerance), (len(first),))[pair]
    within = []
    for axis in range(3):
        ratio = norm / lengths[pair, axis]
        within.append((ratio < most) & (ratio > 1 / most))
    used = np.flatnonzero(within[0] | within[1] | within[2])
    pair, point, cart = pair[used], point[used], cart[used]
    unit = cart / norm[used, None]
    low = np.cos(np.radians(np.minimum(angles_deg + angle_tolerance_deg, 180.0)))
    high = np.cos(np.radians(np.maximum(angles_deg - angle_tolerance_deg, 0.0)))

    def cosines(i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ij,ij->i", unit[i], unit[j]))

    def between(cosine: NDArray[np.float64], which: int, of: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((cosine >= low[of, which]) & (cosine <= high[of, which]))

    # Of +-(a, b, c) one is enough, the other has the same lengths and angles: a is from one half of space, b and c are
    # such vectors times a sign.
    a, b, c = (np.flatnonzero(w[used]) for w in within)
    row_b, b, sign_b = _angled(pair, a, b, 2, cosines, between, len(first))
    row_c, c, sign_c = _angled(pair, a, c, 1, cosines, between, len(first))
    left, right = join(row_b, row_c, len(a))
    a, b, c, sign_b, sign_c = a[row_b[left]], b[left], c[right], sign_b[left], sign_c[right]
    keep = between(sign_b * sign_c * cosines(b, c), 0, pair[a])
    a, b, c, sign_b, sign_c = a[keep], b[keep], c[keep], sign_b[keep], sign_c[keep]
    basis = np.stack([point[a], sign_b[:, None] * point[b], sign_c[:, None] * point[c]], axis=1).astype(np.int64)
    keep = np.abs(determinants(basis)) == 1
    a, basis = a[keep], basis[keep]
    long, wide = lengths_and_angles(basis @ first[pair[a]])
    both = np.concatenate([pair[a], pair[a]])
    order = np.argsort(both, kind="stable")
    return Mappings(
        both[order],
        np.concatenate([basis, -basis])[order],
        np.concatenate([long, long])[order],
        np.concatenate([wide, wide])[order],
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
    """Combinations of vectors a and +-b of a pair at the right angle: index into a, ascending; vector b; its sign."""
    left, right = join(pair[a], pair[b], n)
    cosine = cosines(a[left], b[right])
    of = pair[a[left]]
    plus, minus = between(cosine, which, of), between(-cosine, which, of)
    row = np.concatenate([left[plus], left[minus]])
    order = np.argsort(row, kind="stable")
    sign = np.repeat([1.0, -1.0], [plus.sum(), minus.sum()])
    return row[order], np.concatenate([b[right[plus]], b[right[minus]]])[order], sign[order]


def leading_sign(vectors: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Sign of the first component that is not zero, of vectors [n, 3]; [n]."""
    return np.sign(np.take_along_axis(vectors, (vectors != 0).argmax(axis=1)[:, None], axis=1)[:, 0])


def unimodular_inverse(matrices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Inverses of integer matrices of determinant +-1, [n, 3, 3]."""
    return np.asarray(_cofactors(matrices).transpose(0, 2, 1) * determinants(matrices)[:, None, None])


def determinants(matrices: NDArray[Number]) -> NDArray[Number]:
    """Of matrices [n, 3, 3]; in closed form, many times faster than by LAPACK."""
    return np.asarray((matrices[:, 0] * _cofactors(matrices)[:, 0]).sum(axis=1))


def inverse_heights(lattices: NDArray[np.float64]) -> NDArray[np.float64]:
    """One over the height of the cell along each vector, [n, 3]."""
    cofactors = _cofactors(lattices)
    volumes = np.abs((lattices[:, 0] * cofactors[:, 0]).sum(axis=1))
    return np.asarray(np.sqrt((cofactors**2).sum(axis=2)) / volumes[:, None])


def triangular(metrics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lattices [n, 3, 3], lower triangles, of positive metric tensors [n, 3, 3] (Cholesky's decomposition)."""
    lower = np.zeros_like(metrics)
    lower[:, 0, 0] = np.sqrt(metrics[:, 0, 0])
    lower[:, 1:, 0] = metrics[:, 1:, 0] / lower[:, :1, 0]
    lower[:, 1, 1] = np.sqrt(metrics[:, 1, 1] - lower[:, 1, 0] ** 2)
    lower[:, 2, 1] = (metrics[:, 2, 1] - lower[:, 2, 0] * lower[:, 1, 0]) / lower[:, 1, 1]
    lower[:, 2, 2] = np.sqrt(metrics[:, 2, 2] - lower[:, 2, 0] ** 2 - lower[:, 2, 1] ** 2)
    return lower


def _cofactors(m: NDArray[Number]) -> NDArray[Number]:
    i, j = np.array([[1], [2], [0]]), np.array([[2], [0], [1]])
    return np.asarray(m[:, i, i.T] * m[:, j, j.T] - m[:, i, j.T] * m[:, j, i.T])


def _half_points(
    lattices: NDArray[np.float64], radius: NDArray[np.float64], limit: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each two opposite lattice points in a box around the sphere of each radius [p] the one whose first coordinate
    that is not zero is positive: pair, and fractional coordinates."""
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
    return pair[order], np.concatenate(points)[order]


@lru_cache(maxsize=1024)
def _half_grid(x: int, y: int, z: int) -> NDArray[np.float64]:
    """Integer points of one half of a box around zero, without zero, [m, 3]."""
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in (x, y, z)), indexing="ij"), axis=-1).reshape(-1, 3)
    # In this order the second half begins behind zero.
    return grid[len(grid) // 2 + 1 :].astype(np.float64)
