"""Radii of atoms and ions, as arrays indexed by atomic number."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, symbol

MAX_CHARGE = 8
DEFAULT_COVALENT_RADIUS_ANG = 1.6
"""Of elements beyond Cm, where no measured value exists."""
LAST_MEASURED_Z = 96
MIN_IONIC_RADIUS_ANG = 0.15
"""Shannon's tables give H1+ a negative radius and C4+, N5+ next to none: they are bonds, not spheres."""


@lru_cache(maxsize=1)
def covalent_radii_ang() -> NDArray[np.float64]:
    """Covalent radius of each element, Å, float64 [MAX_Z + 1] (index = Z).

    Cordero et al., Dalton Trans. 2008, as ASE ships them.
    """
    from ase.data import covalent_radii

    radii = np.full(MAX_Z + 1, DEFAULT_COVALENT_RADIUS_ANG)
    known = np.asarray(covalent_radii, dtype=np.float64)
    radii[1 : LAST_MEASURED_Z + 1] = known[1 : LAST_MEASURED_Z + 1]
    radii.flags.writeable = False
    return radii


@lru_cache(maxsize=1)
def ionic_radii_ang() -> NDArray[np.float64]:
    """Radius of each element at each charge, Å, float64 [MAX_Z + 1, 2 * MAX_CHARGE + 1].

    Column q + MAX_CHARGE is charge q. Shannon's radii (crystal radii, averaged over coordinations, as pymatgen ships
    them) where they exist; else that of the nearest charge of the same sign, changed by 8 % a unit of charge;
    else the covalent radius, taken at charge 0 and changed likewise.
    """
    from pymatgen.core import Element

    covalent = covalent_radii_ang()
    radii = np.empty((MAX_Z + 1, 2 * MAX_CHARGE + 1))
    charges = np.arange(-MAX_CHARGE, MAX_CHARGE + 1)
    for z in range(MAX_Z + 1):
        known = {0: float(covalent[z])}
        if z:
            known |= {int(q): float(r) for q, r in Element(symbol(z)).ionic_radii.items() if math.isfinite(r)}
        for q in charges:
            same_sign = [k for k in known if k * q > 0] or [0]
            nearest = min(same_sign, key=lambda k: (abs(k - q), abs(k)))
            radii[z, q + MAX_CHARGE] = known[nearest] * 1.08 ** float(nearest - q)
    radii = np.maximum(radii, MIN_IONIC_RADIUS_ANG)
    radii.flags.writeable = False
    return radii
