"""Compositions that could be compounds: balanced formulas of a chemical space, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.charge_grid import States, charge_grid
from gnome_lite.config import Space
from gnome_lite.core.crystals import MAX_Z
from gnome_lite.generate.chemical_systems import System, random_systems, ratios

SIMPLICITY_ATOMS = 4.0
"""A formula of so many atoms more is drawn e times more rarely: most compounds have simple formulas."""
CHUNK_SYSTEMS = 16

Keep = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Atom counts of formulas, [n, MAX_Z + 1] -> which are worth a search, [n]."""


class Compositions:
    """Reduced formulas that oxidation states can balance, from random chemical systems of a space.

    Args:
        space: elements and numbers of elements.
        max_atoms: in the reduced formula.
        relaxed: GNoME's rule of balance (see `chemistry.balance.charge_balanced`), else the strict one.
        per_system: so many formulas of each system, simple ones tending to come first; None = all.
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
        """Chunks of atom counts of one formula unit, int64 [n, MAX_Z + 1], each formula once."""
        systems = random_systems(self._space, rng)
        while block := list(islice(systems, CHUNK_SYSTEMS)):
            counts = np.concatenate([self._drawn(system, rng) for system in block])
            if len(counts) and self._keep is not None:
                counts = counts[self._keep(counts)]
            if len(counts):
                yield counts

    def _drawn(self, system: System, rng: np.random.Generator) -> NDArray[np.int64]:
        """Some balanced formulas of one system, drawn without replacement with weights exp(-atoms / 4)."""
        atoms = self._ratios[len(system)]
        if len(system) > 1:
            atoms = atoms[charge_grid(system, self._states).balances(atoms)]
        rank = rng.gumbel(size=len(atoms)) - atoms.sum(axis=1) / SIMPLICITY_ATOMS
        counts = np.zeros((len(atoms), MAX_Z + 1), dtype=np.int64)
        counts[:, list(system)] = atoms
        return counts[np.argsort(-rank, kind="stable")[: self._per_system]]
