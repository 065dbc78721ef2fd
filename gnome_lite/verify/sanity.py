"""Sanity checks before, during and after a relaxation. Pure functions of crystals and numbers.

Each returns why it refuses as (Failure, detail), or None. A universal potential has
holes where its training data had no atoms: CHGNet binds two oxygens 0.05 Å apart by 2.1 eV/atom, and
optimisers fall into them. ASE in turn calls a NaN energy with zero forces converged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vesin import NeighborList

from gnome_lite.chemistry.radii import covalent_radii_ang
from gnome_lite.core.crystals import Crystal, symbol
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.records import Failure

Refusal = tuple[Failure, str]

MIN_DISTANCE_RATIO = 0.55
"""Shortest pair over the sum of covalent radii (Cordero 2008). The least among 7,140 crystals near the
hull of the Materials Project is 0.65 (U-Fe). CHGNet's dimers of 14 of 15 elements (not F: 0.7) have the outermost
edge of their holes at 0.25-0.55."""

MIN_VOLUME_RATIO, MAX_VOLUME_RATIO = 0.3, 3.0
"""Relaxed volume over the starting one. Beyond these the cell has collapsed or flown apart."""

MIN_VOLUME_PER_ATOM_ANG3, MAX_VOLUME_PER_ATOM_ANG3 = 2.0, 200.0
"""One of the same 7,140 crystals lies outside (LiS4, a chain in vacuum)."""

MAX_ENERGY_CHANGE_EV_PER_ATOM = 25.0
"""A relaxation gains at most a few eV/atom; more means a hole of the potential."""

MAX_FORMATION_EV_PER_ATOM = 5.0
"""Known formation energies lie between about -4.5 (fluorides) and +1 eV/atom."""


def bad_start(crystal: Crystal, max_z: int) -> Refusal | None:
    """Return why a crystal may not be given to a calculator that knows elements up to `max_z`."""
    highest = int(crystal.numbers.max())
    if highest > max_z:
        return Failure.OUT_OF_DOMAIN, f"{symbol(highest)} is beyond the calculator's elements (Z <= {max_z})"
    return bad_geometry(crystal, crystal.volume)


def bad_geometry(crystal: Crystal, start_volume_ang3: float) -> Refusal | None:
    """Return what is unphysical in the cell or the distances. Fast enough for every step (0.1 ms)."""
    if not (np.isfinite(crystal.lattice).all() and np.isfinite(crystal.frac_coords).all()):
        return Failure.NON_FINITE, "positions or lattice are not finite"
    ratio = crystal.volume / start_volume_ang3 if start_volume_ang3 > 0 else 0.0
    if not MIN_VOLUME_RATIO <= ratio <= MAX_VOLUME_RATIO:
        return Failure.EXPLODED, f"volume is {ratio:.2f} times the starting one"
    per_atom = crystal.volume / len(crystal)
    if not MIN_VOLUME_PER_ATOM_ANG3 <= per_atom <= MAX_VOLUME_PER_ATOM_ANG3:
        return Failure.EXPLODED, f"volume is {per_atom:.1f} Å^3 per atom"
    closest = closest_pair(crystal)
    if closest is not None:
        ratio, distance, pair = closest
        return Failure.OVERLAP, f"{pair} are {distance:.2f} Å apart, {ratio:.2f} of the sum of their covalent radii"
    return None


def closest_pair(crystal: Crystal) -> tuple[float, float, str] | None:
    """Return the pair shortest in units of its covalent radii, as (ratio, distance in Å, "Na-Cl").

    None if no two atoms, images included, are closer than `MIN_DISTANCE_RATIO` of their radii.
    """
    radii = covalent_radii_ang()[crystal.numbers]
    reach = MIN_DISTANCE_RATIO * 2 * float(radii.max())
    first, second, distance = NeighborList(cutoff=reach, full_list=False).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijd"
    )
    if len(distance) == 0:
        return None
    ratios = distance / (radii[first] + radii[second])
    k = int(ratios.argmin())
    pair = "-".join(symbol(crystal.numbers[i]) for i in (first[k], second[k]))
    return (float(ratios[k]), float(distance[k]), pair) if ratios[k] < MIN_DISTANCE_RATIO else None


def bad_numbers(energy_ev: float, forces: ArrayLike, stress: ArrayLike, n_atoms: int | None = None) -> Refusal | None:
    """Return which of energy (eV), forces (eV/Å) and stress (eV/Å^3) is not finite, or a wrong shape of the forces."""
    if n_atoms is not None and np.shape(forces) != (n_atoms, 3):
        return Failure.CRASHED, f"forces of shape {np.shape(forces)} for {n_atoms} atoms"
    for name, value in (("energy", energy_ev), ("forces", forces), ("stress", stress)):
        if not np.isfinite(np.asarray(value, dtype=np.float64)).all():
            return Failure.NON_FINITE, f"{name} not finite"
    return None


def bad_energy_change(change_ev_per_atom: float) -> Refusal | None:
    """Return by how much the energy moved, if further from its start than in any sound relaxation."""
    if abs(change_ev_per_atom) > MAX_ENERGY_CHANGE_EV_PER_ATOM:
        return Failure.EXPLODED, f"energy moved by {change_ev_per_atom:+.1f} eV/atom"
    return None


def bad_formation_energy(
    counts: NDArray[np.int64], energy_ev: float, elemental_ev_per_atom: Mapping[str, float]
) -> Refusal | None:
    """Return the formation energy if it is beyond any real one; None also where an element has no reference.

    Args:
        counts: atoms by atomic number, [MAX_Z + 1].
        energy_ev: energy of the cell, eV.
        elemental_ev_per_atom: reference energies at the same level, by symbol.
    """
    if any(symbol(z) not in elemental_ev_per_atom for z in np.flatnonzero(counts)):
        return None
    e_form = float(formation_energies(counts[None], [energy_ev], elemental_ev_per_atom)[0])
    if abs(e_form) > MAX_FORMATION_EV_PER_ATOM:
        return Failure.OUT_OF_DOMAIN, f"formation energy is {e_form:+.1f} eV/atom"
    return None
