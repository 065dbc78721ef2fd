"""Branch and bound against plain enumeration of every tuple of species."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.chemistry.gates import element_masks
from gnome_lite.config import Space
from gnome_lite.core.crystals import atomic_number
from gnome_lite.generate.enumeration import ParentSpecies, Substitutions, enumerate_substitutions
from gnome_lite.generate.probabilities import substitution_table

SMALL_SPACE = Space(elements=("Li", "Na", "Mg", "Al", "Fe", "O", "S", "F", "Cl", "N"))


def parent(**atoms: int) -> ParentSpecies:
    """parent(Na_p1=1, Cl_m1=1): element, sign, charge and count."""
    rows = []
    for name, n in atoms.items():
        element, charge = name.split("_")
        rows.append((atomic_number(element), int(charge[1:]) * (1 if charge[0] == "p" else -1), n))
    z, q, counts = zip(*sorted(rows), strict=True)
    return ParentSpecies(z, q, counts)


def by_hand(who: ParentSpecies, space: Space, threshold: float, floor: float) -> dict[tuple[int, ...], float]:
    """Probability of each tuple of new elements, by trying every tuple of species."""
    table = substitution_table(floor)
    species = list(zip(table.z.tolist(), table.charges.tolist(), strict=True))
    allowed = set(np.flatnonzero(element_masks(space).any(axis=0)).tolist())
    inside = [s for s in species if s[0] in allowed]
    old = list(zip(who.z, who.charges, strict=True))
    best: dict[tuple[int, ...], float] = {}
    options = [inside + ([o] if o[0] in allowed and o not in inside else []) for o in old]
    for new in product(*options):
        p = 1.0
        for a, b in zip(old, new, strict=True):
            if a != b:
                p *= math.exp(table.log_p[species.index(a), species.index(b)]) if a in species else 0.0
        z = tuple(s[0] for s in new)
        signs: dict[int, set[bool]] = {}
        for s in new:
            signs.setdefault(s[0], set()).add(s[1] > 0)
        neutral = sum(s[1] * n for s, n in zip(new, who.atoms, strict=True)) == 0
        in_range = space.min_elements <= len(set(z)) <= space.max_elements
        one_sign = all(len(v) == 1 for v in signs.values())
        if p > threshold and neutral and in_range and z != who.z and one_sign:
            best[z] = max(p, best.get(z, 0.0))
    return best


def ours(who: ParentSpecies, space: Space, threshold: float, floor: float = 0.0) -> Substitutions:
    limits = (space.min_elements, space.max_elements)
    return enumerate_substitutions(who, substitution_table(floor), element_masks(space), limits, threshold)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(
        [
            parent(Na_p1=1, Cl_m1=1),
            parent(Fe_p2=1, Fe_p3=2, O_m2=4),
            parent(Ca_p2=1, Ti_p4=1, O_m2=3),
            parent(K_p1=1, Na_p1=1, O_m2=1),
            parent(Cd_p2=1, Te_m2=1),
            parent(Li_p1=1, Fe_p3=1, S_m2=2),
        ]
    ),
    st.sampled_from([1e-2, 1e-3, 1e-5]),
    st.sampled_from([0.0, -5.0]),
)
def test_finds_exactly_what_plain_enumeration_finds(who: ParentSpecies, threshold: float, floor: float) -> None:
    found = ours(who, SMALL_SPACE, threshold, floor)
    listed = dict(zip(map(tuple, found.z.tolist()), np.exp(found.log_p).tolist(), strict=True))
    assert len(listed) == len(found.z)
    assert listed == pytest.approx(by_hand(who, SMALL_SPACE, threshold, floor), rel=1e-9)
    assert (np.diff(found.log_p) <= 0).all()


def test_the_probability_counts_only_what_changes() -> None:
    who, table = parent(Na_p1=1, Cl_m1=1), substitution_table(0.0)
    found = ours(who, Space(elements=("Na", "K", "Cl", "Br")), 1e-6)
    p = {tuple(z): math.exp(v) for z, v in zip(found.z.tolist(), found.log_p, strict=True)}
    to_k = math.exp(table.log_p[table.index(11, 1), table.index(19, 1)])
    to_br = math.exp(table.log_p[table.index(17, -1), table.index(35, -1)])
    assert p[11, 35] == pytest.approx(to_br)
    assert p[19, 17] == pytest.approx(to_k)
    assert p[19, 35] == pytest.approx(to_k * to_br)


def test_two_species_may_merge_where_charges_fit() -> None:
    found = ours(parent(K_p1=1, Na_p1=1, S_m2=1), Space(elements=("Li", "Na", "K", "S")), 1e-3)
    assert [11, 11] in found.z[:, [0, 2]].tolist() or [19, 19] in found.z[:, [1, 2]].tolist()
    assert any(len(set(row)) == 2 for row in found.z.tolist())


def test_a_species_the_table_lacks_stays() -> None:
    found = ours(parent(Cd_p2=1, Te_m2=1), Space(elements=("Zn", "Mg", "Te", "K")), 1e-3)
    assert {tuple(z) for z in found.z.tolist()} == {(30, 52), (12, 52)}


def test_no_way_in_is_no_substitution() -> None:
    none = ours(parent(Cd_p2=1, Te_m2=1), Space(elements=("Li", "F")), 1e-3)
    assert none.z.shape == (0, 2)


def test_chemical_systems_bound_the_result() -> None:
    space = Space(chemical_systems=("Li-F", "Mg-O"))
    found = ours(parent(Na_p1=1, Cl_m1=1), space, 1e-9)
    assert {frozenset(z) for z in found.z.tolist()} == {frozenset({3, 9}), frozenset({12, 8})}
