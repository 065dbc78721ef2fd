"""Prototypes: what is left of a fingerprint without its elements, and which element plays which role in it.

Labels are those of pymatgen's `get_prototype_from_protostructure` (AFLOW's manner; Goodall et al., Sci. Adv. 8,
eabn4117 (2022)): elements by ascending amount, equal amounts and equivalent choices of origin so that the Wyckoff
letters come as early in the alphabet as can be. NaCl, KBr, LiF and MgO are all "AB_cF8_225_a_b".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, permutations, product
from string import ascii_uppercase

import numpy as np

from gnome_lite.core.crystals import formula_counts, symbol
from gnome_lite.novelty.wyckoff_letters import relabelings, scored


@dataclass(frozen=True, slots=True)
class Prototype:
    """A structure type and the elements of one crystal in it.

    Attributes:
        label: e.g. "AB_cF8_225_a_b"; "" where the crystal's symmetry could not be found.
        roles: atomic numbers in the label's order of elements, A first: every order that fits the label equally well
            (both of rock salt's, one of perovskite's).
    """

    label: str
    roles: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=1 << 16)
def parse(fingerprint: str) -> Prototype:
    """Return prototype and roles of a fingerprint, e.g. "AB_cF8_225_a_b" of "NaCl|cF8_225_a_b"."""
    formula, _, label = fingerprint.partition("|")
    if not label:
        return Prototype("", ())
    pearson, group, *wyckoffs = label.split("_")
    counts = formula_counts(formula)
    elements = sorted((int(z) for z in np.flatnonzero(counts)), key=symbol)
    sites = sorted(zip((int(counts[z]) for z in elements), wyckoffs, elements, strict=True))
    best: tuple[int, str] | None = None
    roles: set[tuple[int, ...]] = set()
    for order in _orders(sites):
        for names in relabelings(group):
            found = scored([w.translate(names) for _, w, _ in order])
            if best is None or found < best:
                best, roles = found, set()
            if found == best:
                roles.add(tuple(z for _, _, z in order))
    assert best is not None, "every space group has the identity among its relabelings"
    anonymous = "".join(f"{a}{n}" if n > 1 else a for a, (n, _, _) in zip(ascii_uppercase, sites, strict=False))
    return Prototype(f"{anonymous}_{pearson}_{group}_{best[1]}", tuple(sorted(roles)))


Site = tuple[int, str, int]
"""Amount in the formula, Wyckoff letters, atomic number of one element."""


def _orders(sites: list[Site]) -> Iterator[tuple[Site, ...]]:
    """Yield all orders of elements of ascending amount."""
    equal = [list(group) for _, group in groupby(sites, key=lambda s: s[0])]
    for parts in product(*(permutations(group) for group in equal)):
        yield tuple(site for part in parts for site in part)
