"""Whether two crystals are the same: pymatgen's StructureMatcher with one documented tolerance."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gnome_lite.crystals import Crystal

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

LENGTH_TOLERANCE = 0.2
"""Relative, of lattice lengths after both cells are scaled to one volume."""
SITE_TOLERANCE = 0.3
"""Root-mean-square displacement in units of (volume per atom)^(1/3): 0.75 Å at 15 Å^3."""
ANGLE_TOLERANCE_DEG = 5.0


def same(a: Crystal, b: Crystal) -> bool:
    """Whether two crystals are the same after reduction to primitive cells of equal volume.

    Tolerances are pymatgen's defaults, those of GNoME's and the Materials Project's duplicate removal.
    """
    if a.reduced_formula != b.reduced_formula:
        return False
    return bool(_matcher().fit(a.to_pymatgen(), b.to_pymatgen()))


@lru_cache(maxsize=1)
def _matcher() -> StructureMatcher:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(
        ltol=LENGTH_TOLERANCE, stol=SITE_TOLERANCE, angle_tol=ANGLE_TOLERANCE_DEG, primitive_cell=True, scale=True
    )
