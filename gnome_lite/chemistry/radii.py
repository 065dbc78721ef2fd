"""Radii of atoms and ions, as arrays indexed by atomic number."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, symbol

MAX_CHARGE = 8
DEFAULT_COVALENT_RADIUS_ANG = 1.6
"""For elements beyond Cm, where no measured value exists."""
LAST_MEASURED_Z = 96
MIN_IONIC_RADIUS_ANG = 0.15
"""Shannon's tables give H1+ a negative radius and C4+, N5+ next to none: they are bonds, not spheres."""


@lru_cache(maxsize=1)
def covalent_radii_ang() -> NDArray[np.float64]:
    """Return the covalent radius of each element, Å, float64 [MAX_Z + 1] (index = Z).

    Cordero et al., Dalton Trans. 2008, as ASE ships them.
    """
    from ase.data import covalent_radii

    radii = np.full(MAX_Z + 1, DEFAULT_COVALENT_RADIUS_ANG)
    radii[1 : LAST_MEASURED_Z + 1] = covalent_radii[1 : LAST_MEASURED_Z + 1]
    radii.flags.writeable = False
    return radii


def ionic_radii_ang(z: NDArray[np.int64], charges: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radius of each atomic number at its charge (rounded, at most `MAX_CHARGE`), Å, in z's shape.

    Shannon's radii (crystal radii, averaged over coordinations, as pymatgen ships them) where they exist; else that of
    the nearest charge of the same sign, changed by 8 % a unit of charge; else the covalent radius, taken at charge 0
    and changed likewise.
    """
    whole = np.clip(np.rint(charges).astype(np.int64), -MAX_CHARGE, MAX_CHARGE)
    return np.asarray(_ionic_radii()[z, whole + MAX_CHARGE])


@lru_cache(maxsize=1)
def _ionic_radii() -> NDArray[np.float64]:
    """Return all radii, [MAX_Z + 1, 2 * MAX_CHARGE + 1]; column q + MAX_CHARGE is charge q."""
    from pymatgen.core import Element

    covalent = covalent_radii_ang()
    radii = np.empty((MAX_Z + 1, 2 * MAX_CHARGE + 1))
    for z in range(MAX_Z + 1):
        known = {0: float(covalent[z])}
        if z:
            known |= {int(q): float(r) for q, r in Element(symbol(z)).ionic_radii.items() if math.isfinite(r)}
        for q in range(-MAX_CHARGE, MAX_CHARGE + 1):
            same_sign = [k for k in known if k * q > 0] or [0]
            nearest = min(same_sign, key=lambda k: (abs(k - q), abs(k)))
            radii[z, q + MAX_CHARGE] = known[nearest] * 1.08 ** float(nearest - q)
    return np.maximum(radii, MIN_IONIC_RADIUS_ANG)
