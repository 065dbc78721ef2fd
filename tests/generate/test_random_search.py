"""Random crystals: the space group asked for by an independent finder, composition, distances, volumes, the stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.core import Composition

from gnome_lite.chemistry.distances import min_distance_ratios
from gnome_lite.chemistry.radii import covalent_radii_ang
from gnome_lite.chemistry.volume import volume_from_radii
from gnome_lite.config import Gates, Generate
from gnome_lite.core.crystals import MAX_Z, CrystalBatch, atomic_number
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.random_search import TOO_FEW, RandomStructureSearch, random_structures
from gnome_lite.generate.random_tries import (
    HIGHER_SYMMETRY,
    NO_ATOMS,
    NO_GROUP,
    OVERLAP,
    SearchSettings,
)

SYMPREC_ANG = 0.01
FORMULAS = ("NaCl", "TiO2", "MgAl2O4", "LiFePO4", "FeAl", "C", "K2PtCl6")
GATES, GENERATE = Gates(), Generate()
NOTHING = CrystalBatch.empty()


def counts(formula: str) -> NDArray[np.int64]:
    row = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, n in Composition(formula).items():
        row[element.Z] = int(n)
    return row


@pytest.fixture(scope="module")
def made() -> dict[str, CandidatePool]:
    return {f: random_structures(counts(f), 60, np.random.default_rng(7))[0] for f in FORMULAS}


@pytest.mark.parametrize("formula", FORMULAS)
def test_spglib_finds_the_space_group_asked_for_in_a_primitive_cell(
    made: dict[str, CandidatePool], formula: str
) -> None:
    for crystal, change in zip(made[formula].crystals, made[formula].changes, strict=True):
        cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
        found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANG)
        assert found is not None
        assert found.international == change.split(",")[0]
        assert len(spglib.find_primitive(cell, symprec=SYMPREC_ANG)[2]) == len(crystal)


@pytest.mark.parametrize("formula", FORMULAS)
def test_composition_is_exact_and_within_the_size_limit(made: dict[str, CandidatePool], formula: str) -> None:
    pool, unit = made[formula], counts(formula)
    assert len(pool) == 60
    for row, change in zip(pool.crystals.counts, pool.changes, strict=True):
        units = int(change.split(", ")[1].removesuffix(" f.u."))
        np.testing.assert_array_equal(row, units * unit)
        assert row.sum() <= GENERATE.max_atoms
    if unit.sum() * 3 <= GENERATE.max_atoms:
        assert len({change.split(", ")[1] for change in pool.changes}) > 1


@pytest.mark.parametrize("formula", FORMULAS)
def test_distances_hold_in_pymatgens_distance_matrix(made: dict[str, CandidatePool], formula: str) -> None:
    radii, pool = covalent_radii_ang(), made[formula]
    assert np.isinf(min_distance_ratios(pool.crystals, GATES.min_distance_ratio)).all()
    for crystal in pool.crystals:
        structure = crystal.to_pymatgen()
        least = GATES.min_distance_ratio * (radii[crystal.numbers][:, None] + radii[crystal.numbers])
        d = structure.distance_matrix + np.diag(np.full(len(crystal), np.inf))
        assert (d >= least).all()
        images = structure.get_all_neighbors(float(least.max()) + 1.0)
        for i, neighbours in enumerate(images):
            assert all(n.nn_distance >= least[i, n.index] for n in neighbours)


@pytest.mark.parametrize("formula", FORMULAS)
def test_volumes_lie_in_the_range_and_span_it(made: dict[str, CandidatePool], formula: str) -> None:
    crystals = made[formula].crystals
    factor = crystals.volumes / volume_from_radii(crystals.counts)
    assert (factor > 0.4 * (1 - 1e-9)).all()
    assert (factor < 1.2 * (1 + 1e-9)).all()
    assert np.ptp(factor) > 0.5


def test_many_space_groups_of_all_systems_come_out(made: dict[str, CandidatePool]) -> None:
    groups = {change.split(",")[0] for pool in made.values() for change in pool.changes}
    assert len(groups) > 60
    assert {symbol[0] for symbol in groups} == set("PACFIR")


def test_records_say_where_it_comes_from(made: dict[str, CandidatePool]) -> None:
    one = made["NaCl"].candidate(0)
    assert one.generator == "random"
    assert one.parent_id == ""
    assert one.multiplicity == 1
    assert np.isnan(one.probability)
    assert one.crystal.volume > 0
    assert ((one.crystal.frac_coords >= 0) & (one.crystal.frac_coords < 1)).all()


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["Li", "Cs", "Ca", "Fe", "P", "O", "F", "H", "U"]), st.integers(1, 5), min_size=1, max_size=4
    ),
    st.integers(0, 2**32 - 1),
)
def test_any_composition_gives_sound_crystals_or_causes(atoms: dict[str, int], seed: int) -> None:
    row = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, n in atoms.items():
        row[atomic_number(element)] = n
    pool, failures = random_structures(row, 3, np.random.default_rng(seed))
    unit = row // np.gcd.reduce(row)
    assert len(pool) + failures[TOO_FEW] == 3 or failures == Counter({NO_GROUP: 1})
    for crystal in pool.crystals:
        units = len(crystal) // unit.sum()
        np.testing.assert_array_equal(crystal.counts, units * unit)
    assert np.isinf(min_distance_ratios(pool.crystals, GATES.min_distance_ratio)).all()


def test_formula_units_given_do_not_matter() -> None:
    once, _ = random_structures(counts("NaCl"), 5, np.random.default_rng(0))
    thrice, _ = random_structures(3 * counts("NaCl"), 5, np.random.default_rng(0))
    assert [c.content_id for c in once.crystals] == [c.content_id for c in thrice.crystals]


def test_tries_are_bounded_and_counted() -> None:
    dense = SearchSettings(volume_range=(0.02, 0.021), max_tries=5)
    pool, failures = random_structures(counts("LiFePO4"), 10, np.random.default_rng(0), dense)
    assert len(pool) == 0
    assert failures == Counter({OVERLAP: 50, TOO_FEW: 10})


def test_too_symmetric_a_crystal_is_not_passed_off() -> None:
    """Two atoms of one element have an inversion centre between them, whatever was asked for."""
    pool, failures = random_structures(counts("Ar"), 10, np.random.default_rng(0), SearchSettings(max_atoms=2))
    assert failures[HIGHER_SYMMETRY] > 0
    assert not any(change.startswith(("P1,", "P2,", "Pm,")) for change in pool.changes)


def stream_of(*chunks: list[str]) -> object:
    def compositions(rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        for chunk in chunks:
            yield np.array([counts(f) for f in chunk])

    return compositions


def ids(pools: list[CandidatePool]) -> list[list[str]]:
    return [[c.content_id for c in pool.crystals] for pool in pools]


def search(*chunks: list[str], n: int = 6, chunk: int = 12) -> RandomStructureSearch:
    return RandomStructureSearch(stream_of(*chunks), GENERATE, GATES, structures_per_composition=n, chunk=chunk)


STREAM = (["NaCl", "TiO2", "FeAl"], ["MgO"], ["LiFePO4", "Al2O3", "CaTiO3"])


def test_the_same_rng_gives_the_same_stream() -> None:
    first, again = (list(search(*STREAM).generate(NOTHING, [], 1, np.random.default_rng(3))) for _ in range(2))
    assert ids(first) == ids(again)
    assert [len(pool) for pool in first] == [12, 12, 12, 6]
    assert ids(first) != ids(list(search(*STREAM).generate(NOTHING, [], 1, np.random.default_rng(4))))
    assert len({i for chunk in ids(first) for i in chunk}) == 42


@pytest.mark.parametrize("start", [1, 2, 3, 4])
def test_a_stream_goes_on_from_any_chunk(start: int) -> None:
    whole = list(search(*STREAM).generate(NOTHING, [], 1, np.random.default_rng(3)))
    rest = list(search(*STREAM).generate(NOTHING, [], 1, np.random.default_rng(3), start))
    assert ids(rest) == ids(whole[start:])
    assert [pool.changes for pool in rest] == [pool.changes for pool in whole[start:]]


def test_how_compositions_are_chunked_does_not_matter() -> None:
    flat = [[f] for chunk in STREAM for f in chunk]
    whole = list(search(*STREAM).generate(NOTHING, [], 1, np.random.default_rng(3)))
    assert ids(list(search(*flat).generate(NOTHING, [], 1, np.random.default_rng(3)))) == ids(whole)


def test_structures_lie_in_the_order_of_their_compositions() -> None:
    pools = list(search(*STREAM).generate(NOTHING, [], 2, np.random.default_rng(3)))
    formulas = [f for pool in pools for f in pool.crystals.reduced_formulas()]
    expected = [Composition(f).reduced_formula for chunk in STREAM for f in chunk for _ in range(6)]
    assert formulas == expected
    assert {pool.round for pool in pools} == {2}


def test_what_cannot_be_made_is_counted_and_the_rest_goes_on() -> None:
    too_large = np.zeros(MAX_Z + 1, dtype=np.int64)
    too_large[[3, 8]] = (15, 7)

    def compositions(rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        yield np.array([counts("NaCl"), too_large, np.zeros(MAX_Z + 1, dtype=np.int64), counts("MgO")])

    made = RandomStructureSearch(compositions, GENERATE, GATES, structures_per_composition=4)
    (pool,) = made.generate(NOTHING, [], 1, np.random.default_rng(0))
    assert pool.crystals.reduced_formulas() == ["NaCl"] * 4 + ["MgO"] * 4
    assert made.skipped[NO_GROUP] == 1
    assert made.skipped[NO_ATOMS] == 1
    assert made.skipped[OVERLAP] > 0


def test_no_compositions_no_chunks() -> None:
    assert list(search().generate(NOTHING, [], 1, np.random.default_rng(0))) == []
