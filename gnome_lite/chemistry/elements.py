"""Groups of elements the pipeline treats alike: radioactive, near-identical, known to CHGNet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, atomic_number

CHGNET_MAX_Z = 94
"""CHGNet has weights for Z = 1..94 and crashes beyond."""

RADIOACTIVE = frozenset({43, 61, *range(84, MAX_Z + 1)})
"""Tc, Pm, Po and all beyond Bi: no isotope stable enough to make a material of (Th and U included)."""

NEAR_IDENTICAL: tuple[tuple[str, ...], ...] = (
    ("La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Y"),
    ("Zr", "Hf"), ("Nb", "Ta"), ("Mo", "W"), ("Tc", "Re"), ("Ru", "Os"), ("Rh", "Ir"), ("Pd", "Pt"),
)  # fmt: skip
"""Elements so alike in size and chemistry that an ordered arrangement of two of them in one crystal is most often an
artefact of a solid solution (Cheetham & Seshadri, Chem. Mater. 2024, doi 10.1021/acs.chemmater.4c00643): the
lanthanides with Y, and the 4d/5d pairs that the lanthanide contraction makes equally large."""


def merged(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return atomic numbers with near-identical elements replaced by the first of their group, any shape."""
    table = np.arange(MAX_Z + 1)
    for group in NEAR_IDENTICAL:
        table[[atomic_number(e) for e in group]] = atomic_number(group[0])
    return table[numbers]
