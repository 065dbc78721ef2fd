"""Formal charges: of the sites of a known crystal, and whether a composition can be neutral at all.

A formula is assigned the neutral combination of oxidation states that the ICSD makes most likely (product of the
states' shares). One cation may be of mixed valence (Fe3O4: one Fe2+, two Fe3+); its states are then laid on its
Wyckoff orbits, the higher charge where the bond valence is larger. If its sites cannot be told apart (the 16d site of
LiMn2O4), the crystal has an average state only, and no per-site one: it is skipped rather than decorated at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.radii import MAX_CHARGE, ionic_radii_ang
from gnome_lite.chemistry.states import State, electronegativities, states
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.crystals import Crystal, atomic_number, symbol

Composition = tuple[tuple[int, int], ...]
"""((atomic number, atoms), ...) by ascending atomic number."""

ANIONS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I")
METALLOIDS = ("B", "Si", "Ge")
METALLOID_GAP = 0.4
"""Borides, silicides and germanides are ionic only with cations this much less electronegative: Mg2Si, not FeSi."""
INVERSION_TOLERANCE = 0.3
"""An anion may be less electronegative than a cation by at most this (WTe2); it costs `INVERSION_PENALTY`."""
INVERSION_PENALTY = 3.0
MIXED_PENALTY = 2.3
"""Cost of mixed valence in log-probability: a factor of ten."""
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
    """Formal charge of each site, int64 [n_atoms], summing to zero; None where there is no such assignment."""
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
    """Why `oxidation_states` is None, in a few words that can be counted; "" where it is not None."""
    assignments = _most_likely(_composition(crystal.counts))
    if assignments is None:
        return "no neutral oxidation states"
    return "" if oxidation_states(crystal) is not None else "mixed valence on equivalent sites"


def mean_charges(counts: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Mean formal charge of each element of one composition [MAX_Z + 1] (index = Z); None where it has none."""
    assignments = _most_likely(_composition(counts))
    if assignments is None:
        return None
    charges = np.zeros(len(counts))
    for a in assignments:
        charges[a.z] = (a.low * a.n_low + a.high * (counts[a.z] - a.n_low)) / counts[a.z]
    return charges


def charge_balanced(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether common oxidation states can make each composition neutral.

    As GNoME does, up to two elements may take a value *between* two of their ordered states (here cations only, or
    every excess of oxygen would pass as part peroxide). Pure elements pass; alloys do not.

    Args:
        counts: atoms by atomic number, [n, MAX_Z + 1].

    Returns:
        Boolean mask, [n].
    """
    unique, inverse = np.unique(counts, axis=0, return_inverse=True)
    passes = np.array([_can_balance(_composition(row)) for row in unique], dtype=bool)
    return passes[inverse.ravel()]


def _composition(counts: NDArray[np.int64]) -> Composition:
    present = np.flatnonzero(counts)
    return tuple((int(z), int(counts[z])) for z in present)


@lru_cache(maxsize=1 << 16)
def _can_balance(composition: Composition) -> bool:
    if len(composition) == 1:
        return True
    divisor = math.gcd(*(n for _, n in composition))
    if divisor > 1:
        return _can_balance(tuple((z, n // divisor) for z, n in composition))
    grid = _combinations(composition, only_common=True)
    if grid is None:
        return False
    return bool(((grid.lowest <= 0) & (grid.highest >= 0) & (grid.n_mixed <= 2) & np.isfinite(grid.score)).any())


@lru_cache(maxsize=1 << 16)
def _most_likely(composition: Composition) -> tuple[Assignment, ...] | None:
    """The neutral assignment of highest likelihood, with at most one element of mixed valence."""
    if len(composition) == 1:
        return None
    grid = _combinations(composition, only_common=False)
    if grid is None:
        return None
    whole = (grid.n_mixed == 0) & (grid.lowest == 0)
    mixed = (grid.n_mixed == 1) & (grid.lowest < 0) & (grid.highest > 0)
    mixed &= -grid.lowest % np.maximum(grid.step, 1) == 0
    score = np.where(whole | mixed, grid.score, -np.inf)
    best = int(np.argmax(score))
    if not np.isfinite(score.flat[best]):
        return None
    short = -int(grid.lowest.flat[best])  # charge that the mixed element must add to its lower state
    found: list[Assignment] = []
    for (z, n), options, i in zip(composition, grid.options, np.unravel_index(best, score.shape), strict=True):
        low, high, _ = options[int(i)]
        n_low = 0 if low == high else n - short // (high - low)
        found.append(Assignment(z, low, high, n_low))
    return tuple(found)


Option = tuple[int, int, float]
"""(lower charge, higher charge, log-likelihood); the two are equal but for mixed valence."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """All combinations of the elements' options: one array axis an element."""

    options: tuple[tuple[Option, ...], ...]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    step: NDArray[np.int64]
    n_mixed: NDArray[np.int64]
    score: NDArray[np.float64]


def _combinations(composition: Composition, only_common: bool) -> _Grid | None:
    """Charges and log-likelihood of every combination of options; -inf where the chemistry is upside down."""
    options = tuple(_options(z, only_common) for z, _ in composition)
    if not all(options):
        return None
    shape = tuple(len(o) for o in options)
    x = electronegativities()
    whole, real = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    lowest, highest, step, n_mixed, score = whole, whole, whole, whole, real
    least_anion, least_metalloid, most_cation = real + np.inf, real + np.inf, real - np.inf
    for axis, ((z, n), choices) in enumerate(zip(composition, options, strict=True)):
        along = [1] * len(shape)
        along[axis] = len(choices)
        low = np.array([o[0] for o in choices]).reshape(along)
        high = np.array([o[1] for o in choices]).reshape(along)
        lowest, highest = lowest + n * low, highest + n * high
        step, n_mixed = step + (high - low), n_mixed + (high > low)
        score = score + np.array([o[2] for o in choices]).reshape(along)
        least_anion = np.minimum(least_anion, np.where(low < 0, x[z], np.inf))
        if symbol(z) in METALLOIDS:
            least_metalloid = np.minimum(least_metalloid, np.where(low < 0, x[z], np.inf))
        most_cation = np.maximum(most_cation, np.where(low > 0, x[z], -np.inf))
    forbidden = (least_anion < most_cation - INVERSION_TOLERANCE) | (least_metalloid < most_cation + METALLOID_GAP)
    score = np.where(least_anion <= most_cation, score - INVERSION_PENALTY, score)
    return _Grid(options, lowest, highest, step, n_mixed, np.where(forbidden, -np.inf, score))


@lru_cache(maxsize=512)
def _options(z: int, only_common: bool) -> tuple[Option, ...]:
    """Single states, and pairs of neighbouring cationic ones for mixed valence."""
    may_be_anion = z in {atomic_number(e) for e in ANIONS}
    usable: list[State] = [s for s in states()[z] if s.charge > 0 or may_be_anion]
    if only_common:
        usable = [s for s in usable if s.common]
    single = [(s.charge, s.charge, math.log(s.share)) for s in usable]
    cationic = [s for s in usable if s.charge > 0]
    mixed = [(a.charge, b.charge, math.log(min(a.share, b.share)) - MIXED_PENALTY) for a, b in pairwise(cationic)]
    return tuple(single + mixed)


def _sites_of_higher_charge(crystal: Crystal, charges: NDArray[np.int64], a: Assignment) -> NDArray[np.int64] | None:
    """Sites of element a.z that carry a.high: whole orbits, those of the largest bond valence; None if none fit."""
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
    """Sum over anions of exp((r_cation + r_anion - d) / 0.37 Å) for some cation sites (Brown), [len(sites)].

    Only compared between sites of one element, so that the prefactor does not matter.
    """
    from vesin import NeighborList

    i, j, d = NeighborList(cutoff=4.0, full_list=True).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="ijd"
    )
    radii = ionic_radii_ang()[crystal.numbers, np.clip(charges, -MAX_CHARGE, MAX_CHARGE) + MAX_CHARGE]
    to_anion = charges[j] < 0
    strength = np.exp((radii[i] + radii[j] - d) / 0.37) * to_anion
    return np.asarray(np.bincount(i, strength, minlength=len(crystal))[sites], dtype=np.float64)
