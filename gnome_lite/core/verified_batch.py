"""Crystals that a store holds as verified, as parallel arrays: what a `PhaseSet` grows by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedBatch:
    """Crystals verified without failure at one level, n in all; fields as in `Verification`.

    Attributes:
        ids: candidate ids, [n].
        crystals: relaxed, [n].
        energies_ev: energies of the whole cells, [n].
        fingerprints: fingerprints, "" where not worked out, [n].
    """

    ids: tuple[str, ...]
    crystals: CrystalBatch
    energies_ev: NDArray[np.float64]
    fingerprints: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)
