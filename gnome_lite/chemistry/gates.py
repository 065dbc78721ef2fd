"""Sanity of crystals before any energy is spent on them: `PreGate`, the pipeline's `Gate`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.balance import charge_balanced, is_alloy
from gnome_lite.chemistry.distances import min_distance_ratios
from gnome_lite.chemistry.elements import CHGNET_MAX_Z, RADIOACTIVE
from gnome_lite.config import Gates, Space
from gnome_lite.core.crystals import MAX_Z, CrystalBatch, atomic_number

NOT_FINITE = "not finite"
EXCLUDED_ELEMENT = "excluded element"
TOO_FEW_ELEMENTS = "too few elements"
TOO_MANY_ELEMENTS = "too many elements"
VOLUME = "volume per atom"
TOO_LARGE = "too many atoms"
TOO_CLOSE = "too close"
CHARGE = "charge"


class PreGate:
    """Refuses crystals outside the space, too large, too dense or too dilute, that overlap or cannot be neutral."""

    def __init__(self, gates: Gates, space: Space, max_atoms: int) -> None:
        self._gates, self._space, self._max_atoms = gates, space, max_atoms
        self._systems = element_masks(space)

    def causes(self, crystals: CrystalBatch) -> list[str]:
        """Return the first cause for which each crystal is refused, "" where it passes, [n]."""
        refused = np.full(len(crystals), "", dtype=object)
        if not len(crystals):
            return []
        counts = crystals.counts
        present = counts > 0
        kinds = present.sum(axis=1)
        per_atom = crystals.volumes / crystals.n_atoms
        finite = np.isfinite(per_atom)
        np.logical_and.at(finite, crystals.crystal_of_atom, np.isfinite(crystals.frac_coords).all(axis=1))
        _mark(refused, ~finite, NOT_FINITE)
        _mark(refused, ~in_space(present, self._systems), EXCLUDED_ELEMENT)
        _mark(refused, kinds < self._space.min_elements, TOO_FEW_ELEMENTS)
        _mark(refused, kinds > self._space.max_elements, TOO_MANY_ELEMENTS)
        _mark(refused, crystals.n_atoms > self._max_atoms, TOO_LARGE)
        low, high = self._gates.volume_per_atom_min, self._gates.volume_per_atom_max
        _mark(refused, ~((per_atom >= low) & (per_atom <= high)), VOLUME)
        if self._gates.charge_balance != "off":
            left = np.flatnonzero(refused == "")
            neutral = charge_balanced(counts[left], relaxed=self._gates.charge_balance == "relaxed")
            _mark(refused, left[~(neutral | is_alloy(counts[left]))], CHARGE)
        # The most expensive test comes last, and only for sane cells.
        left = np.flatnonzero(refused == "")
        close = min_distance_ratios(crystals.take(left), self._gates.min_distance_ratio)
        _mark(refused, left[np.isfinite(close)], TOO_CLOSE)
        return [str(cause) for cause in refused]


def element_masks(space: Space) -> NDArray[np.bool_]:
    """Return the elements of each chemical system that candidates may lie in, bool [m, MAX_Z + 1].

    One row, all of `space.elements`, if no chemical systems are named; radioactive elements only if allowed;
    none that CHGNet does not know.
    """
    masks = np.zeros((len(space.systems), MAX_Z + 1), dtype=bool)
    for row, system in zip(masks, space.systems, strict=True):
        row[[atomic_number(e) for e in system]] = True
    masks[:, CHGNET_MAX_Z + 1 :] = False
    if not space.allow_radioactive:
        masks[:, list(RADIOACTIVE)] = False
    return masks


def in_space(present: NDArray[np.bool_], systems: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether the elements present [n, MAX_Z + 1] all lie in one of the systems [m, MAX_Z + 1], [n]."""
    outside = present.astype(np.int32) @ ~systems.T
    return np.asarray((outside == 0).any(axis=1))


def _mark(refused: NDArray[np.object_], where: NDArray[np.bool_] | NDArray[np.int64], cause: str) -> None:
    """Write a cause where there is none yet."""
    index = np.flatnonzero(where) if where.dtype == bool else where
    refused[index[refused[index] == ""]] = cause
