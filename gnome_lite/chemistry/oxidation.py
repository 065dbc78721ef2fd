"""Formal charges of the sites of a known crystal, and mean charges of a composition.

A formula is assigned the neutral combination of oxidation states that the ICSD makes most likely (product of the
states' shares). One cation may be of mixed valence (Fe3O4: one Fe2+, two Fe3+); its states are then laid on its
Wyckoff orbits, the higher charge where the bond valence is larger. If its sites cannot be told apart (the 16d site of
LiMn2O4), the crystal has an average state only, and no per-site one: it is skipped rather than decorated at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.charge_grid import States, charge_grid
from gnome_lite.chemistry.radii import ionic_radii_ang
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal

Composition = tuple[tuple[int, int], ...]
"""((atomic number, atoms), ...) by ascending atomic number."""

MAX_MIXED_ORBITS = 12
SYMPREC_ANG = 0.01


@dataclass(frozen=True, slots=True)
class Assignment:
    """Charges of one element in a formula: `n_low` atoms of charge `low`, the other atoms of charge `high`."""

    z: int
    low: int
    high: int
    n_low: int


def oxidation_states(crystal: Crystal) -> NDArray[np.int64] | None:
    """Return the formal charge of each site, int64 [n_atoms], summing to zero; None where none can be assigned."""
    assignments = _most_likely(_composition(crystal.counts))
    if assignments is None:
        return None
    charges = np.zeros(len(crystal), dtype=np.int64)
    for a in assignments:
        charges[crystal.numbers == a.z] = a.high if a.n_low == 0 else a.low
    for a in assignments:
        if a.n_low and a.low != a.high:
            raised = _sites_of_higher_charge(crystal, charges, a)
            if raised is None:
                return None
            charges[raised] = a.high
    return charges


def cause_of_no_states(crystal: Crystal) -> str:
    """Return why `oxidation_states` is None, in a few words that can be counted; "" where it is not None."""
    if _most_likely(_composition(crystal.counts)) is None:
        return "no neutral oxidation states"
    return "" if oxidation_states(crystal) is not None else "mixed valence on equivalent sites"


def mean_charges(counts: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the mean formal charge of each element of a composition [MAX_Z + 1] (index = Z); None if it has none."""
    assignments = _most_likely(_composition(counts))
    if assignments is None:
        return None
    charges = np.zeros(len(counts))
    for a in assignments:
        charges[a.z] = (a.low * a.n_low + a.high * (counts[a.z] - a.n_low)) / counts[a.z]
    return charges


def _composition(counts: NDArray[np.int64]) -> Composition:
    return tuple((int(z), int(counts[z])) for z in np.flatnonzero(counts))


@lru_cache(maxsize=1 << 16)
def _most_likely(composition: Composition) -> tuple[Assignment, ...] | None:
    """Return the neutral assignment of highest likelihood, with at most one element of mixed valence."""
    if len(composition) == 1:
        return None
    elements, atoms = (np.array(column) for column in zip(*composition, strict=True))
    grid = charge_grid(tuple(elements.tolist()), States.KNOWN)
    lowest, highest = grid.low @ atoms, grid.high @ atoms
    step = (grid.high - grid.low).sum(axis=1)
    whole = (grid.n_mixed == 0) & (lowest == 0)
    mixed = (grid.n_mixed == 1) & (lowest < 0) & (highest > 0) & (-lowest % np.maximum(step, 1) == 0)
    fits = np.flatnonzero(whole | mixed)
    if not len(fits):
        return None
    best = fits[np.argmax(grid.log_likelihood[fits])]
    short = -int(lowest[best])  # charge that the mixed element must add to its lower state
    return tuple(
        Assignment(z, low, high, 0 if low == high else n - short // (high - low))
        for (z, n), low, high in zip(composition, grid.low[best].tolist(), grid.high[best].tolist(), strict=True)
    )


def _sites_of_higher_charge(crystal: Crystal, charges: NDArray[np.int64], a: Assignment) -> NDArray[np.int64] | None:
    """Return the sites of element a.z that carry a.high: whole orbits of the largest bond valence; None if none fit."""
    sites = np.flatnonzero(crystal.numbers == a.z)
    wanted = len(sites) - a.n_low
    found = symmetry(crystal, SYMPREC_ANG)
    orbit_of = np.arange(len(crystal)) if found is None else np.asarray(found.orbits)
    names, orbit = np.unique(orbit_of[sites], return_inverse=True)
    if len(names) > MAX_MIXED_ORBITS:
        return None
    sizes = np.bincount(orbit)
    valence = np.bincount(orbit, _bond_valences(crystal, charges, sites))
    fits = [
        which
        for k in range(1, len(names) + 1)
        for which in combinations(range(len(names)), k)
        if sizes[list(which)].sum() == wanted
    ]
    if not fits:
        return None
    best = max(fits, key=lambda which: round(float(valence[list(which)].sum()), 3))
    return sites[np.isin(orbit, best)]


def _bond_valences(crystal: Crystal, charges: NDArray[np.int64], sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum over anions of exp((r_cation + r_anion - d) / 0.37 Å) for some cation sites (Brown), [len(sites)].

    They are compared between sites of one element only, so the prefactor does not matter.
    """
    from vesin import NeighborList

    i, j, d = NeighborList(cutoff=4.0, full_list=True).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijd"
    )
    radii = ionic_radii_ang(crystal.numbers, charges)
    strength = np.exp((radii[i] + radii[j] - d) / 0.37) * (charges[j] < 0)
    return np.asarray(np.bincount(i, strength, minlength=len(crystal))[sites], dtype=np.float64)
