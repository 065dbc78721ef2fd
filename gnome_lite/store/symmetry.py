"""Space groups: of a relaxed crystal when it is stored, and by number or symbol when it is asked for."""

from __future__ import annotations

from functools import cache

from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.crystals import Crystal
from gnome_lite.errors import ConfigError

SYMPREC_ANG = 0.1
"""Relaxations stop at 0.05 eV/Å, which leaves positions about this uncertain."""


def space_group_of(crystal: Crystal) -> tuple[int, str] | None:
    """Number and short Hermann-Mauguin symbol, e.g. (225, "Fm-3m"); None where none can be found."""
    found = symmetry(crystal, SYMPREC_ANG)
    return None if found is None else (int(found.number), symbol_of(int(found.number)))


@cache
def symbol_of(number: int) -> str:
    """Short Hermann-Mauguin symbol of a space group, e.g. 225 -> "Fm-3m"."""
    import moyopy

    return str(moyopy.SpaceGroupType(number).hm_short).replace(" ", "")


def number_of(space_group: int | str) -> int:
    """Number of a space group given by number or symbol ("Fm-3m", "F m -3 m", "P2_1/c").

    Raises:
        ConfigError: if there is none such.
    """
    text = str(space_group).replace(" ", "").replace("_", "")
    if text.isdigit() and 1 <= int(text) <= 230:
        return int(text)
    symbols = {symbol_of(n).replace("_", ""): n for n in range(1, 231)}
    if text not in symbols:
        raise ConfigError(f"there is no space group {space_group!r}: give 1-230 or a symbol such as Fm-3m or P2_1/c")
    return symbols[text]


def crystal_system(number: int) -> str:
    """Crystal system of a space group number."""
    for last, name in (
        (2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"),
        (167, "trigonal"), (194, "hexagonal"), (230, "cubic"),
    ):  # fmt: skip
        if number <= last:
            return name
    raise ValueError(f"there is no space group {number}")
