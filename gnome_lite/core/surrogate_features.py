"""What universal potentials say of crystals, features of their atoms included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.ragged import rows_at


@dataclass(frozen=True, slots=True, eq=False)
class SurrogateFeatures:
    """Features of n crystals as they are, by universal potentials: the input of a Δ-model.

    Attributes:
        energies_ev_per_atom: energy by each potential, [n, k], the first of which is corrected; NaN where it has none.
        atoms: feature vector of each atom, float32 [n_atoms, f]; NaN likewise.
    """

    crystals: CrystalBatch
    energies_ev_per_atom: NDArray[np.float64]
    atoms: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.crystals)

    def take(self, which: NDArray[np.int64]) -> SurrogateFeatures:
        """Return the features of the crystals at integer indices."""
        atoms = self.atoms[rows_at(which, self.crystals.n_atoms)]
        return SurrogateFeatures(self.crystals.take(which), self.energies_ev_per_atom[which], atoms)
