"""Classes of site choices: as many as brute force finds, and as the literature counts."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from samples.groups import from_spacegroup

from gnome_lite.core.crystals import Crystal
from gnome_lite.generate.colourings import Colourings, canonical, colourings
from gnome_lite.generate.decorations import decorations
from gnome_lite.generate.supercells import SiteSymmetry, hermite_normal_forms, inequivalent, site_permutations

NO_LIMIT = 1 << 20


def known(group: str, lattice: Lattice, symbols: list[str], sites: list[list[float]]) -> Crystal:
    return Crystal.from_pymatgen(from_spacegroup(group, lattice, symbols, sites).get_primitive_structure())


CRYSTALS = {
    "fcc": known("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]]),
    "hcp": known("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]]),
    "perovskite": known("Pm-3m", Lattice.cubic(3.9), ["Sr", "Ti", "O"], [[0] * 3, [0.5] * 3, [0.5, 0.5, 0]]),
    "rutile": known("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0] * 3, [0.305, 0.305, 0]]),
    "spinel": known("Fd-3m", Lattice.cubic(8.1), ["Mg", "Al", "O"], [[1 / 8] * 3, [0.5] * 3, [0.262] * 3]),
    "wurtzite": known("P6_3mc", Lattice.hexagonal(3.8, 6.2), ["Zn", "S"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.375]]),
    "anatase": known("I4_1/amd", Lattice.tetragonal(3.78, 9.51), ["Ti", "O"], [[0, 0.75, 0.125], [0, 0.75, 0.333]]),
}  # fmt: skip


def symmetry_of(crystal: Crystal) -> SiteSymmetry:
    found = SiteSymmetry.of(crystal, 0.01)
    assert found is not None
    return found


def brute_force(crystal: Crystal, z: int, index: int) -> Counter[int]:
    """Inequivalent choices of sites of element z with cells of exactly this index, by number of sites in that cell.

    Every sublattice of index n holds n Z^3, so that all choices are sets of sites of the n x n x n supercell. There
    pymatgen's operations and all translations act on coordinates; sets are joined where one is taken to the other.
    """
    structure = crystal.to_pymatgen()
    sites = np.flatnonzero(crystal.numbers == z)
    box = np.array([[i, j, k] for i in range(index) for j in range(index) for k in range(index)])
    places = (crystal.frac_coords[sites][:, None] + box).reshape(-1, 3)

    def where(points: np.ndarray) -> np.ndarray:
        delta = points[:, None] - places
        delta -= index * np.rint(delta / index)
        away = np.linalg.norm(delta @ crystal.lattice, axis=-1)
        assert (away.min(axis=1) < 0.01).all()
        return away.argmin(axis=1)

    translations = np.array([where(places + t) for t in box])
    operations = SpacegroupAnalyzer(structure, 0.01).get_symmetry_operations()
    turns = np.array([where(o.operate_multi(places)) for o in operations])
    group = np.unique(np.array([t[p] for p in turns for t in translations]), axis=0)
    sets: set[frozenset[int]] = set()
    for form in hermite_normal_forms(index):
        # Sites of the box that differ by a vector of the superlattice are chosen together.
        steps = (box[:, None] - box) @ np.linalg.inv(form)
        cell = np.isclose(steps, np.rint(steps)).all(axis=2).argmax(axis=1)
        orbit = (np.arange(len(sites))[:, None] * len(box) + cell).ravel()
        names = np.unique(orbit)
        for n in range(1, len(names)):
            for chosen in combinations(names, n):
                sets.add(frozenset(np.flatnonzero(np.isin(orbit, chosen)).tolist()))
    # A choice belongs to this index if just index^3 / index translations leave it alone.
    own = {s for s in sets if sum(s == frozenset(t[list(s)].tolist()) for t in translations) == index**2}
    counts: Counter[int] = Counter()
    while own:
        one = next(iter(own))
        own -= {frozenset(p[list(one)].tolist()) for p in group}
        counts[len(one) // index**2] += 1
    return counts


@pytest.mark.parametrize(
    ("name", "z", "index"),
    [
        ("fcc", 29, 2), ("fcc", 29, 3), ("fcc", 29, 4), ("hcp", 12, 1), ("hcp", 12, 2), ("hcp", 12, 3),
        ("perovskite", 22, 2), ("perovskite", 8, 1), ("perovskite", 8, 2), ("perovskite", 38, 3),
        ("rutile", 22, 1), ("rutile", 22, 2), ("rutile", 8, 1), ("rutile", 8, 2), ("spinel", 13, 1), ("spinel", 12, 1),
        ("spinel", 8, 1), ("spinel", 13, 2), ("wurtzite", 30, 2), ("wurtzite", 16, 3),
        ("anatase", 8, 1), ("anatase", 22, 2),
    ],
)  # fmt: skip
def test_classes_are_those_of_brute_force(name: str, z: int, index: int) -> None:
    crystal = CRYSTALS[name]
    species = np.unique(crystal.numbers, return_inverse=True)[1]
    found = decorations(symmetry_of(crystal), species, index, 10**6, NO_LIMIT, NO_LIMIT)
    assert found.complete
    kind = np.unique(crystal.numbers).tolist().index(z)
    fraction = np.repeat(found.species, np.diff(found.start))
    here = (found.indices[found.choices.cell] == index) & (fraction == kind)
    assert Counter(found.choices.size[here].tolist()) == brute_force(crystal, z, index)


def test_binary_superstructures_of_fcc() -> None:
    """Hart & Forcade, Phys. Rev. B 77, 224115 (2008), table IV: index 2 to 8, exchanged labels counted as one."""
    sites = symmetry_of(CRYSTALS["fcc"])
    counts = []
    for n in range(2, 9):
        total = 0
        for form in inequivalent(hermite_normal_forms(n), sites.rotations):
            permutations, translations = site_permutations(sites, form)
            found = colourings(permutations, translations, NO_LIMIT).masks
            exchanged = canonical(((1 << n) - 1) ^ found, permutations)
            total += len(np.unique(np.minimum(canonical(found, permutations), exchanged)))
        counts.append(total)
    assert counts == [2, 3, 12, 14, 50, 52, 229]


@pytest.mark.parametrize("name", ["perovskite", "rutile", "spinel", "anatase"])
def test_multiplicities_add_up_to_all_choices(name: str) -> None:
    crystal = CRYSTALS[name]
    permutations, translations = site_permutations(symmetry_of(crystal), np.eye(3, dtype=np.int64))
    for z in np.unique(crystal.numbers):
        own = crystal.numbers == z
        rank = np.cumsum(own) - 1
        found = colourings(rank[permutations[:, own]], rank[translations[:, own]], NO_LIMIT)
        m = int(own.sum())
        total = Counter[int]()
        for size, multiplicity in zip(found.sizes.tolist(), found.multiplicities.tolist(), strict=True):
            total[size] += multiplicity
        assert total == {k: comb(m, k) for k in range(1, m)}


def cyclic(m: int) -> np.ndarray:
    return (np.arange(m)[:, None] + np.arange(m)) % m


def test_necklaces() -> None:
    """Choices under a rotation of m sites are binary necklaces (OEIS A000031), of no smaller period Lyndon words."""
    identity_only = np.empty((0, 12), dtype=np.int64)
    assert len(colourings(cyclic(12), identity_only, NO_LIMIT).masks) == 352 - 2
    assert len(colourings(cyclic(12), cyclic(12)[1:], NO_LIMIT).masks) == 335  # A001037
    # Each element twice is the same group.
    assert len(colourings(np.repeat(cyclic(12), 2, axis=0), identity_only, NO_LIMIT).masks) == 352 - 2


def listed(found: Colourings) -> set[tuple[int, int, int]]:
    return set(zip(found.masks.tolist(), found.sizes.tolist(), found.multiplicities.tolist(), strict=True))


def test_a_limit_leaves_out_the_middle_sizes_only() -> None:
    none = np.empty((0, 12), dtype=np.int64)
    everything, some = colourings(cyclic(12), none, NO_LIMIT), colourings(cyclic(12), none, 60)
    assert everything.skipped_sizes == ()
    assert some.skipped_sizes == (4, 5, 6, 7, 8)
    assert listed(some) == {c for c in listed(everything) if c[1] not in some.skipped_sizes}


def test_whole_orbits_are_chosen_whatever_the_limit() -> None:
    """Four orbits of five sites: sizes 5, 10 and 15 would need too many trials, their whole orbits do not."""
    turn = (np.arange(5)[:, None] + np.arange(5)) % 5
    group = np.concatenate([turn + 5 * i for i in range(4)], axis=1)
    found = colourings(group, group[:0], 400)
    assert set(found.skipped_sizes) == set(range(3, 18))
    whole = {c[0] for c in listed(found) if c[1] in found.skipped_sizes}
    orbits = [0b11111 << 5 * i for i in range(4)]
    assert whole == {sum(c) for k in (1, 2, 3) for c in combinations(orbits, k)}
    assert {c[2] for c in listed(found) if c[0] in whole} == {1}


def test_more_sites_than_a_mask_holds_are_left_out() -> None:
    found = colourings(cyclic(60), cyclic(60)[:0], NO_LIMIT)
    assert len(found.masks) == 0
    assert found.skipped_sizes == tuple(range(1, 60))
    assert len(colourings(cyclic(52), cyclic(52)[:0], 60).masks) == 2 * (1 + 26)  # sizes 1, 2, 50, 51


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["hcp", "perovskite", "rutile", "wurtzite", "anatase"]),
    st.lists(st.tuples(st.permutations(range(3)), st.sampled_from([-1, 1])), max_size=3),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.randoms(use_true_random=False),
)
def test_count_does_not_depend_on_how_the_crystal_is_written(
    name: str, shears: list, origin: tuple[float, float, float], random: object
) -> None:
    crystal = CRYSTALS[name]
    turn = np.eye(3, dtype=int)
    for (i, j, _), by in shears:
        turn[i] += by * turn[j]
    order = list(range(len(crystal)))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = Crystal.make(
        crystal.numbers[order],
        ((crystal.frac_coords[order] + origin) @ np.linalg.inv(turn)) % 1.0,
        turn @ crystal.lattice,
    )

    def summary(c: Crystal) -> Counter[tuple[int, ...]]:
        species = np.unique(c.numbers, return_inverse=True)[1]
        found = decorations(symmetry_of(c), species, 2, 10**6, NO_LIMIT, NO_LIMIT)
        fraction = np.repeat(found.species, np.diff(found.start))
        ch = found.choices
        return Counter(
            zip(fraction.tolist(), ch.size.tolist(), ch.n_sites.tolist(), ch.multiplicity.tolist(), strict=True)
        )

    assert summary(other) == summary(crystal)
