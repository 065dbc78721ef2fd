"""Ordering-suspects: ordered crystals that nature would most likely give as a solid solution.

Cheetham & Seshadri, Chem. Mater. 36, 3490 (2024), doi 10.1021/acs.chemmater.4c00643: many predicted crystals order
elements that mix freely (two lanthanides, Zr and Hf, ...) and are artefacts of calculating at 0 K without disorder.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gnome_lite.chemistry.elements import merged
from gnome_lite.chemistry.symmetry import primitive, symmetry
from gnome_lite.crystals import Crystal
from gnome_lite.novelty.match import same

SYMPREC_ANG = 0.1


def ordering_suspect(crystal: Crystal, known: Iterable[Crystal] = ()) -> bool:
    """Whether a crystal looks like an artificial ordering of a solid solution.

    Only one that holds two elements of a near-identical group can be. It is suspect if its symmetry rises when they
    are taken for one element, or if it then equals a known crystal that it does not equal as it is.

    Args:
        crystal: the crystal in question.
        known: known crystals of any formula; those whose merged formula differs are passed over.
    """
    blurred = _blur(crystal)
    if len(np.unique(blurred.numbers)) == len(np.unique(crystal.numbers)):
        return False
    if _symmetry_per_atom(blurred) > _symmetry_per_atom(crystal) * (1 + 1e-9):
        return True
    return any(same(blurred, _blur(k)) and not same(crystal, k) for k in known)


def _blur(crystal: Crystal) -> Crystal:
    """The crystal with near-identical elements made one."""
    return Crystal(merged(crystal.numbers), crystal.frac_coords, crystal.lattice)


def _symmetry_per_atom(crystal: Crystal) -> float:
    """Symmetry operations of the primitive cell over its atoms: grows with point symmetry and with translations."""
    found = symmetry(crystal, SYMPREC_ANG)
    if found is None:
        return 0.0
    cell = primitive(found)
    within = symmetry(cell, SYMPREC_ANG)
    return len(within.operations) / len(cell) if within is not None else 0.0
