"""Chemical systems of a space in random order, and the formulas in them that oxidation states can balance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.charge_grid import States, charge_grid
from gnome_lite.chemistry.gates import element_masks
from gnome_lite.config import Space
from gnome_lite.core.crystals import MAX_Z
from gnome_lite.core.ragged import ranges

SIMPLICITY_ATOMS = 4.0
"""A formula of so many atoms more is drawn e times more rarely: most compounds have simple formulas."""
CHUNK_SYSTEMS = 16

Keep = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Atom counts of formulas, [n, MAX_Z + 1] -> which are worth a search, [n]."""
EXPLICIT = 200_000
"""At most this many systems are listed and shuffled; of more, random ones are drawn and remembered."""

System = tuple[int, ...]
"""Atomic numbers, ascending."""


class Compositions:
    """A stream of reduced formulas that oxidation states can balance, from random chemical systems of a space.

    Args:
        space: elements and numbers of elements.
        max_atoms: in the reduced formula.
        relaxed: GNoME's rule of balance (see `chemistry.balance.charge_balanced`), else the strict one.
        per_system: most formulas of each system, simple ones tending to come first; None = all.
        keep: a screen that each chunk passes through before it is given out; None lets all pass.
    """

    def __init__(
        self, space: Space, max_atoms: int, relaxed: bool = True, per_system: int | None = 8, keep: Keep | None = None
    ) -> None:
        self._space = space
        self._states = States.RELAXED if relaxed else States.COMMON
        self._per_system = per_system
        self._keep = keep
        self._ratios = {k: ratios(k, max_atoms) for k in range(space.min_elements, space.max_elements + 1)}

    def __call__(self, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yield chunks of atom counts of one formula unit, int64 [n, MAX_Z + 1], each formula once."""
        systems = random_systems(self._space, rng)
        while block := list(islice(systems, CHUNK_SYSTEMS)):
            counts = np.concatenate([self._drawn(system, rng) for system in block])
            if len(counts) and self._keep is not None:
                counts = counts[self._keep(counts)]
            if len(counts):
                yield counts

    def _drawn(self, system: System, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw some balanced formulas of one system, without replacement with weights exp(-atoms / 4)."""
        atoms = self._ratios[len(system)]
        if len(system) > 1:
            atoms = atoms[charge_grid(system, self._states).balances(atoms)]
        rank = rng.gumbel(size=len(atoms)) - atoms.sum(axis=1) / SIMPLICITY_ATOMS
        counts = np.zeros((len(atoms), MAX_Z + 1), dtype=np.int64)
        counts[:, list(system)] = atoms
        return counts[np.argsort(-rank, kind="stable")[: self._per_system]]


def random_systems(space: Space, rng: np.random.Generator) -> Iterator[System]:
    """Yield systems of `space.min_elements` to `space.max_elements` elements, each once, all numbers as often.

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
    """Yield systems of k elements in random order."""
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
    """Return all ratios of k elements without a common divisor, of at most `max_atoms` atoms, int64 [t, k]."""
    grown = np.ones((1, 0), dtype=np.int64)
    for left in range(k - 1, -1, -1):
        room = max_atoms - grown.sum(axis=1) - left
        branch = np.repeat(np.arange(len(grown)), np.maximum(room, 0))
        grown = np.column_stack([grown[branch], 1 + ranges(np.maximum(room, 0))])
    return grown[np.gcd.reduce(grown, axis=1) == 1] if k else grown
