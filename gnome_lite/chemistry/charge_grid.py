"""All combinations of oxidation states that some elements can show together, whatever their amounts.

There is one grid for each set of elements: a composition is balanced, or assigned its states, by one matrix product
with it. An option of an element is one state, or a range of states for mixed valence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.states import electronegativities, smact_states, states
from gnome_lite.core.crystals import atomic_number, symbol

ANIONS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I")
METALLOIDS = ("B", "Si", "Ge")
METALLOID_GAP = 0.4
"""Borides, silicides and germanides are ionic only with cations this much less electronegative: Mg2Si, not FeSi."""
INVERSION_TOLERANCE = 0.3
"""An anion may be less electronegative than a cation by at most this (WTe2); it costs `INVERSION_PENALTY`."""
INVERSION_PENALTY = 3.0
MIXED_PENALTY = 2.3
"""Cost of mixed valence in log-probability: a factor of ten."""
MAX_MIXED = 2
"""Most elements that may take a value between their states (GNoME)."""
CHUNK_SUMS = 1_000_000
"""Sums of charges worked out at once (about 10 MB)."""


class States(StrEnum):
    """The oxidation states that are admitted.

    Attributes:
        KNOWN: all that the ICSD shows; cations may be of mixed valence between neighbouring states.
        COMMON: the same without the rare ones.
        RELAXED: GNoME's rule: SMACT's states, 0 for metals, and a range from the lowest to the highest; no rule of
            electronegativities.
    """

    KNOWN = "known"
    COMMON = "common"
    RELAXED = "relaxed"


Option = tuple[int, int, float]
"""(lower charge, higher charge, log-likelihood); the two charges are equal but for mixed valence."""


@dataclass(frozen=True, slots=True, eq=False)
class ChargeGrid:
    """The g combinations of options of k elements that are chemically possible.

    Attributes:
        low, high: charge of each element at the ends of its option, int64 [g, k].
        log_likelihood: [g].
        n_mixed: elements of mixed valence, int64 [g].
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    log_likelihood: NDArray[np.float64]
    n_mixed: NDArray[np.int64]

    def balances(self, atoms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether some combination makes each composition neutral, [t], of atoms [t, k]."""
        balanced = np.zeros(len(atoms), dtype=bool)
        # Sums of small integers are exact in floating point, where the product runs in BLAS.
        low, high = self.low.T.astype(np.float32), self.high.T.astype(np.float32)
        rows = max(1, CHUNK_SUMS // max(1, len(self.low)))
        for start in range(0, len(atoms), rows):
            part = atoms[start : start + rows].astype(np.float32)
            balanced[start : start + rows] = ((part @ low <= 0) & (part @ high >= 0)).any(axis=1)
        return balanced


@lru_cache(maxsize=1 << 15)
def charge_grid(elements: tuple[int, ...], which: States) -> ChargeGrid:
    """Return the grid of some atomic numbers; empty if one of them has no oxidation state."""
    low, high = (np.empty((1, 0), dtype=np.int64) for _ in range(2))
    log_likelihood, n_mixed = np.zeros(1), np.zeros(1, dtype=np.int64)
    for z in elements:
        options = np.array(_options(z, which)).reshape(-1, 3)
        first, last = options[:, :2].T.astype(np.int64)
        mixed = n_mixed[:, None] + (last > first)
        branch, option = np.nonzero(mixed <= MAX_MIXED)
        n_mixed = mixed[branch, option]
        low = np.column_stack([low[branch], first[option]])
        high = np.column_stack([high[branch], last[option]])
        log_likelihood = log_likelihood[branch] + options[option, 2]
    if which is States.RELAXED:
        keep = (high > 0).any(axis=1) & (low < 0).any(axis=1)
    else:
        penalty, forbidden = _electronegativity_rule(np.array(elements), low, high)
        log_likelihood, keep = log_likelihood - penalty, ~forbidden
    return ChargeGrid(low[keep], high[keep], log_likelihood[keep], n_mixed[keep])


def _electronegativity_rule(
    z: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the cost of anions less electronegative than cations, and which combinations are forbidden, [g] each."""
    x = np.broadcast_to(electronegativities()[z], low.shape)
    metalloid = np.isin(z, [atomic_number(e) for e in METALLOIDS])
    most_cation = np.where(high > 0, x, -np.inf).max(axis=1, initial=-np.inf)
    least_anion = np.where(low < 0, x, np.inf).min(axis=1, initial=np.inf)
    least_metalloid = np.where((low < 0) & metalloid, x, np.inf).min(axis=1, initial=np.inf)
    forbidden = (least_anion < most_cation - INVERSION_TOLERANCE) | (least_metalloid < most_cation + METALLOID_GAP)
    return np.where(least_anion <= most_cation, INVERSION_PENALTY, 0.0), forbidden


@lru_cache(maxsize=512)
def _options(z: int, which: States) -> tuple[Option, ...]:
    """Return the single states of an element, and ranges for mixed valence."""
    if which is States.RELAXED:
        charges = smact_states(z)
        if charges and symbol(z) not in ANIONS:
            charges = tuple(sorted({*charges, 0}))
        spread = [(charges[0], charges[-1], 0.0)] if len(charges) > 1 else []
        return tuple([(q, q, 0.0) for q in charges] + spread)
    usable = [s for s in states()[z] if (s.charge > 0 or symbol(z) in ANIONS) and (s.common or which is States.KNOWN)]
    single = [(s.charge, s.charge, math.log(s.share)) for s in usable]
    # Cations only: or every excess of oxygen would pass as part peroxide.
    cationic = [s for s in usable if s.charge > 0]
    mixed = [(a.charge, b.charge, math.log(min(a.share, b.share)) - MIXED_PENALTY) for a, b in pairwise(cationic)]
    return tuple(single + mixed)
