"""Estimated cell volumes: from its parent's cell, or from radii alone.

Measured on 7,140 crystals of the Materials Project (CC BY 4.0; mp20, validation part): an ionic crystal's volume from
another of the same structure type has a median error of 6 % (17 % if the parent's is taken as it is); from radii
alone 12 % for ionic crystals and 6 % for alloys. Verification relaxes the cell, and the network scans volumes.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.oxidation import mean_charges
from gnome_lite.chemistry.radii import covalent_radii_ang, ionic_radii_ang
from gnome_lite.core.crystals import MAX_Z, atomic_number, symbol

AVOGADRO_ANG3_PER_CM3_MOL = 1.0 / 0.602214076
IONIC_PACKING = 8.83
"""Volume per atom / (mean r^1.5)^2 of ionic crystals, the median of mp20."""
COVALENT_PACKING = 5.44
"""Volume per atom / r^3 of elements without a molar volume: the median of mp20's alloys."""
ALLOY_CONTRACTION = 0.915
"""Volume of an alloy / that of its elements side by side (Zen's law gives 1), the median of mp20."""
NON_METALS = {"H": -1, "N": -3, "O": -2, "F": -1, "S": -2, "Cl": -1, "Se": -2, "Br": -1, "I": -1}
"""Their own volume is a molecule's: inside a compound without charges the ion's is taken."""


def bond_length_ang(z: NDArray[np.int64], charges: NDArray[np.int64], atoms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean cation radius plus mean anion radius, Å, [...].

    Args:
        z: atomic number of each species, [..., k].
        charges: its charge, [..., k]; positive and negative ones must both occur.
        atoms: atoms of each species in the cell, [k].
    """
    r = ionic_radii_ang(z, charges)
    cations, anions = np.where(charges > 0, atoms, 0), np.where(charges < 0, atoms, 0)
    return (r * cations).sum(-1) / cations.sum(-1) + (r * anions).sum(-1) / anions.sum(-1)


def estimate_volume(
    parent_volume_ang3: float,
    parent_z: NDArray[np.int64],
    parent_charges: NDArray[np.int64],
    z: NDArray[np.int64],
    charges: NDArray[np.int64],
    atoms: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the volume of a parent's cell after its species are replaced, Å^3, [...]: scaled by the cubed bond length.

    This is reference lattice scaling (Chu et al., Comput. Mater. Sci. 146 (2018) 184).

    Args:
        parent_volume_ang3: volume of the parent's cell.
        parent_z: atomic numbers of the parent's species, [k].
        parent_charges: their charges, [k].
        z: atomic numbers of the new species, [..., k].
        charges: their charges, [..., k].
        atoms: atoms of each species in the cell, [k].
    """
    old = bond_length_ang(parent_z, parent_charges, atoms)
    return parent_volume_ang3 * (bond_length_ang(z, charges, atoms) / old) ** 3


def volume_from_radii(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the volume of each cell from its composition alone, Å^3, [n], of atoms by atomic number [n, MAX_Z + 1].

    Elements: their molar volume; neutral ionic compositions: ionic radii; others: contracted molar volumes, ions for
    the elements that are gases.
    """
    unique, inverse = np.unique(counts, axis=0, return_inverse=True)
    return np.array([_volume(row) for row in unique], dtype=np.float64)[inverse.ravel()]


def _volume(counts: NDArray[np.int64]) -> float:
    z = np.flatnonzero(counts)
    n = counts[z]
    elemental = elemental_volumes_ang3()[z]
    if len(z) == 1:
        return float(n @ elemental)
    charges = mean_charges(counts)
    if charges is None:
        anions = np.array([NON_METALS.get(symbol(k), 0) for k in z])
        ions = IONIC_PACKING * ionic_radii_ang(z, anions) ** 3
        return float(n @ np.where(anions < 0, ions, elemental * ALLOY_CONTRACTION))
    r = ionic_radii_ang(z, charges[z])
    return float(IONIC_PACKING * n.sum() * (n @ r**1.5 / n.sum()) ** 2)


@lru_cache(maxsize=1)
def elemental_volumes_ang3() -> NDArray[np.float64]:
    """Return the volume per atom of each pure element, Å^3, float64 [MAX_Z + 1] (index = Z)."""
    from pymatgen.core import Element

    volumes = COVALENT_PACKING * covalent_radii_ang() ** 3
    for z in range(1, MAX_Z + 1):
        # A missing molar volume is None or the string "no data", depending on pymatgen's version.
        try:
            molar = float(Element(symbol(z)).data["Molar volume"])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(molar) and molar > 0:
            volumes[z] = molar * AVOGADRO_ANG3_PER_CM3_MOL
    # Measured on the gas or not at all for these: their solids.
    volumes[[atomic_number(e) for e in ("H", "N", "O", "F")]] = (19.0, 22.5, 20.5, 18.6)
    volumes.flags.writeable = False
    return volumes
