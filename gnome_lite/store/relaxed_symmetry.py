"""Space group of a relaxed crystal when it is stored."""

from __future__ import annotations

from gnome_lite.chemistry.space_groups import symbol_of
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal

SYMPREC_ANG = 0.1
"""Relaxations stop at 0.05 eV/Å, which leaves positions about this uncertain."""


def space_group_of(crystal: Crystal) -> tuple[int, str] | None:
    """Number and short Hermann-Mauguin symbol, e.g. (225, "Fm-3m"); None where none can be found."""
    found = symmetry(crystal, SYMPREC_ANG)
    return None if found is None else (int(found.number), symbol_of(int(found.number)))
