"""Chemical systems of a space in random order, each once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.gates import element_masks
from gnome_lite.config import Space

EXPLICIT = 200_000
"""Up to so many systems are listed and shuffled; of more, random ones are drawn and remembered."""

System = tuple[int, ...]
"""Atomic numbers, ascending."""


def random_systems(space: Space, rng: np.random.Generator) -> Iterator[System]:
    """Systems of `space.min_elements` to `space.max_elements` elements, each once, every number of elements as often.

    Without the last condition nearly all systems of a large space would have as many elements as are allowed.
    """
    pools = [_order(space, k, rng) for k in range(space.min_elements, space.max_elements + 1)]
    while pools:
        for pool in list(pools):
            system = next(pool, None)
            if system is None:
                pools.remove(pool)
            else:
                yield system


def _order(space: Space, k: int, rng: np.random.Generator) -> Iterator[System]:
    """Systems of k elements in random order."""
    rows = [np.flatnonzero(row) for row in element_masks(space)]
    if sum(comb(len(row), k) for row in rows) <= EXPLICIT:
        listed = sorted({system for row in rows for system in combinations(row.tolist(), k)})
        yield from (listed[i] for i in rng.permutation(len(listed)))
        return
    sizes = np.array([comb(len(row), k) for row in rows], dtype=float)
    seen: set[System] = set()
    while len(seen) < sizes.max():
        row = rows[rng.choice(len(rows), p=sizes / sizes.sum())]
        system = tuple(np.sort(rng.choice(row, k, replace=False)).tolist())
        if system not in seen:
            seen.add(system)
            yield system


def ratios(k: int, max_atoms: int) -> NDArray[np.int64]:
    """All ratios of k elements without a common divisor, of at most `max_atoms` atoms, int64 [t, k]."""
    grown = np.ones((1, 0), dtype=np.int64)
    for left in range(k - 1, -1, -1):
        room = max_atoms - grown.sum(axis=1) - left
        branch = np.repeat(np.arange(len(grown)), np.maximum(room, 0))
        amount = np.concatenate([np.arange(1, n + 1) for n in room if n > 0] or [np.empty(0, np.int64)])
        grown = np.column_stack([grown[branch], amount.astype(np.int64)])
    return grown[np.gcd.reduce(grown, axis=1) == 1] if k else grown
