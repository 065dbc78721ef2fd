"""Placing atoms on Wyckoff positions against plain enumeration of every placement."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.generate.packing import admits, random_assignment
from gnome_lite.generate.wyckoff import N_GROUPS, space_group, wyckoff_table
from gnome_lite.novelty.wyckoff_letters import multiplicities

SIGMAS = 5.0
"""Counts of random draws may differ from what is expected by so many standard deviations."""

small_counts = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@cache
def placements(counts: tuple[int, ...], sites: tuple[tuple[int, bool], ...]) -> frozenset[tuple[tuple[int, ...], ...]]:
    """Every way: for each site (atoms, free), the orbits that each element has there."""
    if not sites:
        return frozenset([()]) if not any(counts) else frozenset()
    (atoms, free), *rest = sites
    found = set()
    for orbits in product(*(range(c // atoms + 1) for c in counts)):
        if free or sum(orbits) <= 1:
            left = tuple(c - n * atoms for c, n in zip(counts, orbits, strict=True))
            found |= {(orbits, *more) for more in placements(left, tuple(rest))}
    return frozenset(found)


def sites_of(number: int, most: int) -> tuple[tuple[int, bool], ...]:
    """Of positions of at most so many atoms in a primitive cell, by letter."""
    n_centring = space_group(number).n_centring
    return tuple(
        (site.multiplicity // n_centring, site.dof > 0)
        for site in wyckoff_table()[number]
        if site.multiplicity // n_centring <= most
    )


def patterns(counts: tuple[int, ...], number: int) -> set[tuple[tuple[tuple[int, bool], tuple[int, ...]], ...]]:
    """Placements with the letters of a kind lumped together."""
    sites = sites_of(number, max(counts))
    lumped = set()
    for placement in placements(counts, sites):
        total = {kind: tuple(0 for _ in counts) for kind in sites}
        for kind, orbits in zip(sites, placement, strict=True):
            total[kind] = tuple(a + b for a, b in zip(total[kind], orbits, strict=True))
        lumped.add(tuple(sorted(total.items())))
    return lumped


# Groups of many letters (16, 47, 123) make plain enumeration slow; P-1 with its eight fixed sites stands for them.
few_letters = [n for n in range(1, N_GROUPS + 1) if len(wyckoff_table()[n]) <= 9]


@settings(max_examples=60, deadline=None)
@given(small_counts, st.sampled_from(few_letters))
def test_admission_is_decided_as_by_plain_enumeration(counts: tuple[int, ...], number: int) -> None:
    assert bool(admits(counts)[number]) == bool(patterns(counts, number))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple))
def test_a_group_admits_counts_exactly_if_there_is_a_pattern(counts: tuple[int, ...]) -> None:
    answer = admits(counts)
    assert answer[1]
    assert not answer[0]
    for number in range(1, N_GROUPS + 1):
        try:
            orbits = random_assignment(counts, number, np.random.default_rng(0))
        except ValueError:
            orbits = []
        assert answer[number] == bool(orbits)


@settings(max_examples=20, deadline=None)
@given(st.permutations([1, 3, 6]))
def test_the_order_of_elements_does_not_matter(counts: list[int]) -> None:
    np.testing.assert_array_equal(admits(tuple(counts)), admits((1, 3, 6)))


def test_groups_everyone_knows() -> None:
    rocksalt, fluorite, spinel = admits((1, 1)), admits((1, 2)), admits((2, 4, 8))
    assert rocksalt[225]
    assert rocksalt[221]
    assert rocksalt[216]
    assert fluorite[225]
    assert not rocksalt[227]
    assert spinel[227]
    assert not admits((3, 5))[225]
    assert not admits((1, 1))[62]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=4).map(tuple), st.integers(0, 2**32 - 1))
def test_assignments_hold_the_composition_and_fixed_sites_once(counts: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for number in rng.choice(np.flatnonzero(admits(counts)), 5):
        group = space_group(int(number))
        theirs = multiplicities()[str(number)]
        held = np.zeros(len(counts), dtype=np.int64)
        orbits = random_assignment(counts, int(number), rng)
        for index, element in orbits:
            held[element] += theirs[group.positions[index].site.letter]
        assert tuple(held // group.n_centring) == counts
        fixed = [index for index, _ in orbits if group.positions[index].site.dof == 0]
        assert len(set(fixed)) == len(fixed)


@pytest.mark.parametrize(("counts", "number"), [((2, 2), 2), ((4, 2), 12), ((2, 2, 6), 26), ((3, 3), 143)])
def test_all_patterns_are_equally_likely(counts: tuple[int, ...], number: int) -> None:
    rng, n = np.random.default_rng(0), 4000
    sites, n_centring = wyckoff_table()[number], space_group(number).n_centring
    seen: Counter[tuple[tuple[int, bool, int], ...]] = Counter()
    for _ in range(n):
        orbits = random_assignment(counts, number, rng)
        seen[tuple(sorted((sites[i].multiplicity // n_centring, sites[i].dof > 0, e) for i, e in orbits))] += 1
    k = len(patterns(counts, number))
    assert len(seen) == k
    spread = np.sqrt(n / k * (1 - 1 / k))
    assert max(abs(v - n / k) for v in seen.values()) < SIGMAS * spread


def test_letters_of_a_kind_are_equally_likely() -> None:
    rng, n = np.random.default_rng(1), 4000
    seen = Counter(random_assignment((1,), 47, rng)[0][0] for _ in range(n))
    assert set(seen) == set(range(8))
    assert max(abs(v - n / 8) for v in seen.values()) < SIGMAS * np.sqrt(n / 8 * 7 / 8)


def test_what_cannot_be_held_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="space group 225 cannot hold"):
        random_assignment((3, 5), 225, np.random.default_rng(0))
