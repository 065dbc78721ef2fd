"""Charge balance of very many compositions at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.charge_grid import ANIONS, States, charge_grid
from gnome_lite.core.crystals import MAX_Z, atomic_number

ALLOYING_METALLOIDS = ("B", "Si", "Ge", "As", "Sb", "Te")
"""They form anions (Mg2Si) and intermetallic compounds (FeSi, NiSb)."""


def charge_balanced(counts: NDArray[np.int64], relaxed: bool = False) -> NDArray[np.bool_]:
    """Return whether oxidation states can make each composition neutral.

    Strict: states common in the ICSD, cations more electropositive than anions, up to two cations of mixed valence
    (Fe3O4). Relaxed, as GNoME generates compositions: any of SMACT's states, 0 for metals, and up to two elements at
    any value between theirs (Li15Si4; NaCl5 and most alloys too). Pure elements pass under both.

    Args:
        counts: atoms by atomic number, [n, MAX_Z + 1]; the result is [n].
        relaxed: GNoME's rule.
    """
    which = States.RELAXED if relaxed else States.COMMON
    balanced = np.zeros(len(counts), dtype=bool)
    present = counts > 0
    systems, system_of = np.unique(np.packbits(present, axis=1), axis=0, return_inverse=True)
    order = np.argsort(system_of.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(system_of.ravel(), minlength=len(systems)))
    for rows in np.split(order, ends[:-1]) if len(order) else []:
        elements = np.flatnonzero(present[rows[0]])
        if len(elements) == 1:
            balanced[rows] = True
            continue
        balanced[rows] = charge_grid(tuple(elements.tolist()), which).balances(counts[rows][:, elements])
    return balanced


def is_alloy(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each composition [n, MAX_Z + 1] is of metals, with metalloids or without, [n].

    Charges say little about TiAl, nor about FeSi and NiSb, whose bonds are not ionic.
    """
    metalloid, nonmetal = np.zeros((2, MAX_Z + 1), dtype=bool)
    nonmetal[[atomic_number(e) for e in ANIONS]] = True
    metalloid[[atomic_number(e) for e in ALLOYING_METALLOIDS]] = True
    present = counts > 0
    return np.asarray(present[:, ~nonmetal].any(axis=1) & ~present[:, nonmetal & ~metalloid].any(axis=1))
