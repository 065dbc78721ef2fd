"""Space groups by number: symbols, point groups, crystal systems."""

from __future__ import annotations

from functools import cache

from gnome_lite.core.errors import ConfigError

N_GROUPS = 230
CRYSTAL_SYSTEMS = {
    "triclinic": 2, "monoclinic": 15, "orthorhombic": 74, "tetragonal": 142, "trigonal": 167,
    "hexagonal": 194, "cubic": 230,
}  # fmt: skip
"""The last space group of each."""


@cache
def symbol_of(number: int) -> str:
    """Return the short Hermann-Mauguin symbol of a space group, e.g. 225 -> "Fm-3m"."""
    import moyopy

    return str(moyopy.SpaceGroupType(number).hm_short).replace(" ", "")


@cache
def point_group(number: int) -> str:
    """Return the Hermann-Mauguin symbol of a space group's point group, e.g. 225 -> "m-3m"."""
    import moyopy

    return str(moyopy.SpaceGroupType(number).geometric_crystal_class)


def number_of(space_group: int | str) -> int:
    """Return the number of a space group given by number or symbol ("Fm-3m", "F m -3 m", "P2_1/c").

    Raises:
        ConfigError: if there is none such.
    """
    text = str(space_group).replace(" ", "").replace("_", "")
    if text.isdigit() and 1 <= int(text) <= N_GROUPS:
        return int(text)
    symbols = {symbol_of(n).replace("_", ""): n for n in range(1, N_GROUPS + 1)}
    if text not in symbols:
        raise ConfigError(f"there is no space group {space_group!r}: give 1-230 or a symbol such as Fm-3m or P2_1/c")
    return symbols[text]


def crystal_system(number: int) -> str:
    """Return the crystal system of a space group number."""
    return next(name for name, last in CRYSTAL_SYSTEMS.items() if number <= last)
