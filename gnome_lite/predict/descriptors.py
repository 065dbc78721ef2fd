"""What is known of the elements, as numbers to begin with: alike elements then share what is learnt of one."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import symbol
from gnome_lite.predict.graph import MAX_NETWORK_Z

NAMES = (
    "group", "row", "electronegativity", "atomic radius", "Mendeleev number", "ionization energy", "electron affinity",
    "molar volume", "melting point", "van der Waals radius", "average ionic radius", "atomic mass",
    "valence s", "valence p", "valence d", "valence f", "s block", "p block", "d block", "f block",
)  # fmt: skip


@lru_cache(maxsize=1)
def element_descriptors() -> NDArray[np.float32]:
    """Properties of each element from pymatgen's tables, float32 [MAX_NETWORK_Z + 1, len(NAMES)] (row = Z).

    Each column has mean 0 and standard deviation 1 over the elements that have the property; the others have 0.
    """
    table = np.full((MAX_NETWORK_Z + 1, len(NAMES)), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of every property an element lacks
        for z in range(1, MAX_NETWORK_Z + 1):
            table[z] = _properties(z)
    table = (table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0)
    return np.nan_to_num(table).astype(np.float32)


def _properties(z: int) -> list[float]:
    from pymatgen.core import Element

    e = Element(symbol(z))
    numbers = (
        e.group, e.row, e.X, e.atomic_radius, e.mendeleev_no, e.ionization_energy, e.electron_affinity,
        e.data.get("Molar volume"), e.melting_point, e.van_der_waals_radius, e.average_ionic_radius, e.atomic_mass,
    )  # fmt: skip
    valence = dict.fromkeys("spdf", 0.0)
    outer = max(n for n, _, _ in e.full_electronic_structure)
    for n, shell, electrons in e.full_electronic_structure:
        if n == {"s": outer, "p": outer, "d": e.row - 1, "f": e.row - 2}[shell]:
            valence[shell] = float(electrons)
    return [*(_number(x) for x in numbers), *valence.values(), *(float(e.block == b) for b in "spdf")]


def _number(value: object) -> float:
    """A missing value is None, NaN or the words "no data"."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
