"""Lattice vectors made shorter by whole multiples of one another, for many lattices at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_SWEEPS = 100


def shortened(
    lattices: NDArray[np.float64], pairs: Sequence[tuple[int, int]], tie: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return integer transforms T of determinant 1 and bases T @ lattice in which no pair shortens further.

    Args:
        lattices: rows are vectors, [n, 3, 3].
        pairs: (i, j): vector i is shortened by multiples of vector j; taken in this order until none changes.
        tie: a vector is shortened only if its part along the other exceeds one half by this: rounding errors must not
            make two choices of equal length alternate.

    Returns:
        Transforms, int64 [n, 3, 3], and bases, [n, 3, 3].
    """
    transform = np.tile(np.eye(3, dtype=np.int64), (len(lattices), 1, 1))
    basis = lattices.copy()
    active = np.arange(len(lattices))
    for _ in range(MAX_SWEEPS):
        changed = np.zeros(len(active), dtype=bool)
        for i, j in pairs:
            b = basis[active]
            ratio = (b[:, i] * b[:, j]).sum(axis=1) / (b[:, j] ** 2).sum(axis=1)
            times = np.where(np.abs(ratio) > 0.5 + tie, np.rint(ratio), 0.0)
            hit = times != 0
            if hit.any():
                rows = active[hit]
                basis[rows, i] -= times[hit, None] * basis[rows, j]
                transform[rows, i] -= times[hit, None].astype(np.int64) * transform[rows, j]
                changed |= hit
        active = active[changed]
        if not len(active):
            break
    return transform, basis
