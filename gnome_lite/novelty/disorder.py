"""Ordering-suspects: ordered crystals that nature would most likely give as a solid solution.

Cheetham & Seshadri, Chem. Mater. 36, 3490 (2024), doi 10.1021/acs.chemmater.4c00643: many predicted crystals order
elements that mix freely (two lanthanides, Zr and Hf, ...) and are artefacts of calculating at 0 K without disorder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.chemistry.elements import merged
from gnome_lite.chemistry.symmetry import primitive, symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.novelty.matcher.index import SameCrystals
from gnome_lite.novelty.matcher.pairs import same

if TYPE_CHECKING:
    from moyopy import MoyoDataset

SYMPREC_ANG = 0.1


class Disorder:
    """Known crystals of any formula, near-identical elements made one, against which a new one is held."""

    def __init__(self) -> None:
        self._blurred = SameCrystals()
        self._known: dict[str, Crystal] = {}

    def add(self, id: str, crystal: Crystal) -> None:
        self._known[id] = crystal
        self._blurred.add(id, _blur(crystal))

    def suspect(self, crystal: Crystal) -> bool:
        """Whether a crystal looks like an artificial ordering of a solid solution.

        Only one that holds two elements of a near-identical group can be. It is suspect if its symmetry rises when
        they are taken for one element, or if it then equals a known crystal that it does not equal as it is.
        """
        blurred = _blur(crystal)
        if len(np.unique(blurred.numbers)) == len(np.unique(crystal.numbers)):
            return False
        risen, as_is = (symmetry_per_atom(symmetry(c, SYMPREC_ANG), SYMPREC_ANG) for c in (blurred, crystal))
        if risen > as_is * (1 + 1e-9):
            return True
        return any(not same(self._known[id], crystal) for id in self._blurred.matches(blurred))


def symmetry_per_atom(found: MoyoDataset | None, symprec_ang: float) -> float:
    """Symmetry operations of the primitive cell over its atoms, 0 where no symmetry can be found.

    Grows with point symmetry and with translations, whatever the cell.
    """
    if found is None:
        return 0.0
    cell = primitive(found)
    within = symmetry(cell, symprec_ang)
    return len(within.operations) / len(cell) if within is not None else 0.0


def _blur(crystal: Crystal) -> Crystal:
    """The crystal with near-identical elements made one."""
    return Crystal(merged(crystal.numbers), crystal.frac_coords, crystal.lattice)
