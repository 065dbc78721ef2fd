"""Intermetallic substitution: `IntermetallicSubstitution`, a `Generator` that replaces metals by similar metals.

GNoME (Merchant et al., Nature 624, 80 (2023)) substitutes crystals without oxidation states by chemical similarity. The
probability that b stands where the parent has a is, in the form of `probabilities`,

    p(b | a) = exp(-d(a, b) / d0) / sum over all metals c, a included, of exp(-d(a, c) / d0),

with d the distance on the modified Pettifor scale (see `chemistry.similarity`), multiplied over the elements
that change.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.oxidation import oxidation_states
from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.chemistry.volume import elemental_volumes_ang3
from gnome_lite.core.crystals import Crystal, atomic_number
from gnome_lite.generate.enumeration import ParentSpecies, Substitutions
from gnome_lite.generate.probabilities import SubstitutionTable
from gnome_lite.generate.substitution import SpeciesSubstitution

DECAY_PLACES = 5.0
"""d0: the decay, with the distance of two elements, of pairs of alloys of one structure type that differ in these, over
the pairs that chance would give (measured on crystals of the Materials Project, in the tests of the scale)."""
NOT_METALS = (
    "H", "C", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "I", "At", "He", "Ne", "Ar", "Kr", "Xe", "Rn",
)  # fmt: skip
"""Metalloids (B, Si, Ge, As, Sb, Te) count as metals: FeSi and NiSb are not ionic."""
HAS_A_NON_METAL = "holds a non-metal"
IONIC = "has oxidation states"


class IntermetallicSubstitution(SpeciesSubstitution):
    """Parents of metals and metalloids only, and without oxidation states (Mg2Si is left to ions).

    Candidates keep the parent's structure, its volume scaled by the volumes of the elements.
    """

    name = "intermetallic"

    def charges(self, parent: Crystal) -> NDArray[np.int64] | str:
        if not _metals()[parent.numbers].all():
            return HAS_A_NON_METAL
        return IONIC if oxidation_states(parent) is not None else np.zeros(len(parent), dtype=np.int64)

    def table(self) -> SubstitutionTable:
        return similarity_table()

    def volume_ratios(self, parent: ParentSpecies, new: Substitutions) -> NDArray[np.float64]:
        volumes, atoms = elemental_volumes_ang3(), np.array(parent.atoms)
        return np.asarray(volumes[new.z] @ atoms / (volumes[list(parent.z)] @ atoms))


@lru_cache(maxsize=1)
def similarity_table() -> SubstitutionTable:
    """Return the metals on the modified Pettifor scale, at charge 0, and log-probabilities of one replacing another."""
    z = np.flatnonzero(_metals())
    place = modified_pettifor()[z]
    weights = -np.abs(place[:, None] - place) / DECAY_PLACES
    log_p = weights - np.log(np.exp(weights).sum(axis=1, keepdims=True))
    return SubstitutionTable(z, np.zeros(len(z), dtype=np.int64), log_p)


@lru_cache(maxsize=1)
def _metals() -> NDArray[np.bool_]:
    """Return the elements on the scale that are not among `NOT_METALS`, bool [MAX_Z + 1]."""
    metals = modified_pettifor() > 0
    metals[[atomic_number(e) for e in NOT_METALS]] = False
    return metals
