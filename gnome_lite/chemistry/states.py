"""Oxidation states of each element and how often they occur: counts over the ICSD, as pymatgen ships them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, symbol

COMMON_SHARE = 0.01
COMMON_COUNT = 20
"""A state is common if it makes up this share of its element's charged sites, or was seen this often: O1- of
peroxides, Cl5+ of chlorates."""


@dataclass(frozen=True, slots=True)
class State:
    """One oxidation state of an element.

    Attributes:
        charge: formal charge, never 0.
        share: fraction of the element's charged sites that carry it, 0..1.
        common: whether it is good enough to balance a proposed composition with.
    """

    charge: int
    share: float
    common: bool


@lru_cache(maxsize=1)
def states() -> tuple[tuple[State, ...], ...]:
    """Return the states of each element by ascending charge, [MAX_Z + 1] (index = Z; noble gases have none).

    Elements that the count does not cover (Au, Pt, Os, actinides...) get pymatgen's common states in equal shares
    and, as rare ones, all the states it lists.
    """
    from pymatgen.core import Element
    from pymatgen.core.bond_valence import PRIOR_PROB

    seen: dict[str, dict[int, float]] = {}
    for species, count in PRIOR_PROB.items():
        charge = int(species.oxi_state or 0)
        if charge:
            seen.setdefault(species.symbol, {})[charge] = float(count)
    table: list[tuple[State, ...]] = [()]
    for z in range(1, MAX_Z + 1):
        name = symbol(z)
        element = Element(name)
        if name in seen:
            total = sum(seen[name].values())
            found = [
                State(q, n / total, n / total >= COMMON_SHARE or n >= COMMON_COUNT)
                for q, n in seen[name].items()
                if n >= 3 or n / total >= COMMON_SHARE
            ]
        else:
            common = [int(q) for q in element.common_oxidation_states if q]
            found = [State(q, 1.0 / len(common), True) for q in common]
            found += [State(int(q), 0.02, False) for q in element.oxidation_states if q and q not in common]
        table.append(tuple(sorted(found, key=lambda s: s.charge)))
    return tuple(table)


@lru_cache(maxsize=1)
def electronegativities() -> NDArray[np.float64]:
    """Return the Pauling electronegativity of each element, float64 [MAX_Z + 1] (index = Z; 2.0 if unknown)."""
    from pymatgen.core import Element

    values = np.full(MAX_Z + 1, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of every element without one
        for z in range(1, MAX_Z + 1):
            x = float(Element(symbol(z)).X)
            values[z] = x if math.isfinite(x) else 2.0
    values.flags.writeable = False
    return values


@lru_cache(maxsize=MAX_Z + 1)
def smact_states(z: int) -> tuple[int, ...]:
    """Return an element's oxidation states in SMACT's original list, which GNoME's compositions came from, ascending.

    Davies et al., Chem 1, 617 (2016), doi 10.1016/j.chempr.2016.09.010. Empty where it has none.
    """
    import smact

    try:
        found = smact.Element(symbol(z)).oxidation_states_smact14
    except NameError:  # SMACT's way to say that it does not know an element
        return ()
    return tuple(sorted({int(q) for q in found or ()}))
