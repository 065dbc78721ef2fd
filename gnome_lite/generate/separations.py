"""How close two atoms of a random crystal may come: AIRSS's MINSEP by pair of species, estimated from radii."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.oxidation import mean_charges
from gnome_lite.chemistry.radii import MAX_CHARGE, covalent_radii_ang, ionic_radii_ang

CLOSEST_CONTACT = 0.75
"""Shortest distance that is let stand, over the usual one, in a cell of the usual volume."""
MARGIN = 1.001
"""A hair more than the gate asks for, against rounding."""


def usual_distances_ang(counts: NDArray[np.int64], z: NDArray[np.int64]) -> NDArray[np.float64]:
    """Usual shortest distances between the elements of a composition, Å, [k, k].

    Unlike ions, and atoms of alloys, touch at the sum of covalent radii; ions of the same sign repel, and keep at
    least the sum of their ionic radii too, which matters for anions.

    Args:
        counts: atoms by atomic number, [MAX_Z + 1].
        z: its elements, in any order, [k].
    """
    covalent = np.add.outer(covalent_radii_ang()[z], covalent_radii_ang()[z])
    charges = mean_charges(counts)
    if charges is None:
        return covalent
    whole = np.clip(np.rint(charges[z]).astype(np.int64), -MAX_CHARGE, MAX_CHARGE)
    ionic = ionic_radii_ang()[z, whole + MAX_CHARGE]
    alike = np.multiply.outer(charges[z], charges[z]) > 0
    return np.where(alike, np.maximum(covalent, np.add.outer(ionic, ionic)), covalent)


def least_distances_ang(
    usual_ang: NDArray[np.float64], z: NDArray[np.int64], volume_factors: NDArray[np.float64], min_distance_ratio: float
) -> NDArray[np.float64]:
    """Least distances in each of n cells, Å, [n, k, k].

    They shrink with the cube root of the volume, so that dense cells can be filled at all, but never below the gate's.

    Args:
        usual_ang: usual shortest distances, [n, k, k].
        z: elements, [n, k].
        volume_factors: volume of each cell over the one estimated from radii, [n].
        min_distance_ratio: the gate, in sums of covalent radii.
    """
    radii = covalent_radii_ang()[z]
    gate = min_distance_ratio * MARGIN * (radii[:, :, None] + radii[:, None, :])
    return np.maximum(CLOSEST_CONTACT * np.cbrt(volume_factors)[:, None, None] * usual_ang, gate)
