"""Reduced bases of many lattices at once: Niggli's and that of Lenstra, Lenstra & Lovász.

As pymatgen's `Lattice.get_niggli_reduced_lattice` and `get_lll_reduced_lattice`, to the tolerances and to the choice
between equivalent bases, because `match` must decide as `StructureMatcher` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.shortening import shortened
from gnome_lite.novelty.matcher.lattices import determinants, lengths_and_angles, triangular
from gnome_lite.novelty.matcher.mappings import mappings

NIGGLI_TOLERANCE = 1e-5
"""Times the cube root of the volume."""
NIGGLI_ANGLE_TOLERANCE_DEG = 1.0
"""Bases of one lattice whose angles differ by less are all taken for the Niggli basis."""
POINT_TOLERANCE_ANG = 1e-8
PAIRS = ((1, 0), (2, 0), (2, 1), (0, 1), (0, 2), (1, 2))
"""The order in which vectors are shortened by one another."""
MAX_STEPS = 100
MAX_NIGGLI_STEPS = 24
"""From a size-reduced basis; few take ten. One that swings between forms equal within the tolerance is left there."""


def niggli(lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return integer matrices T [n, 3, 3] of determinant 1 with which T @ lattice is the Niggli-reduced basis.

    R. W. Grosse-Kunstleve, N. K. Sauter & P. D. Adams, Acta Cryst. A 60, 1 (2004), doi 10.1107/S010876730302186X.

    Args:
        lattices: lattice vectors as rows, of non-zero volume, [n, 3, 3].
    """
    # In a basis in which no vector shortens by multiples of one other few Niggli steps remain.
    start, _ = shortened(lattices, PAIRS, tie=1e-9)
    return _niggli_steps(start @ lattices) @ start


def first_listed(transform: NDArray[np.int64], lattices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return, of all bases like the Niggli-reduced one, the one that pymatgen keeps, [n, 3, 3].

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
    points = found.basis @ transform.take(found.pair, axis=0)
    octant = (points @ lattices.take(found.pair, axis=0) >= -POINT_TOLERANCE_ANG) @ np.array([4, 2, 1])
    # One number a vector: octant, then multiples, each of 20 bits.
    keys = (octant << 60) - points @ np.array([1 << 40, 1 << 20, 1])
    order = np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0], found.pair))
    pair = found.pair[order]
    first = order[np.flatnonzero(np.diff(pair, prepend=-1))]
    kept = transform.copy()
    kept[found.pair[first]] = points[first]
    return kept


def _niggli_steps(basis: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the transforms, [n, 3, 3], that steps A1 to A8 of the paper find, on all lattices at once."""
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
        """Make one pass; return whether each lattice needs another, [m]."""
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
        """Take steps A3 and A4: all three angles acute, or none."""
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
    """Return integer matrices T [n, 3, 3] with which T @ lattice is Lenstra-Lenstra-Lovász-reduced at delta = 3/4.

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
    """Return coefficients [n, 3, 3] and squared lengths [n, 3] of the orthogonalised vectors."""
    gram = basis @ basis.transpose(0, 2, 1)
    triangle = triangular(gram)
    length = triangle[:, [0, 1, 2], [0, 1, 2]]
    return np.asarray(triangle / length[:, None, :]), np.asarray(length**2)
