"""Groups and look-ups: those of `StructureMatcher.group_structures`, and no work before it is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.matcher import index as index_module
from gnome_lite.novelty.matcher.index import SameCrystals, composition_keys, groups


def mixture(seed_crystals: CrystalBatch, helpers, seed: int, n: int) -> CrystalBatch:
    """Polymorphs of the seed, crystals given the elements of others of the same stoichiometry, and distorted copies."""
    rng = np.random.default_rng(seed)
    formulas = np.array(seed_crystals.reduced_formulas())
    names, count = np.unique(formulas, return_counts=True)
    chosen = rng.permutation(names[count > 2])[: n // 8]
    known = list(seed_crystals.take(np.isin(formulas, chosen)))
    substituted = []
    for crystal in rng.choice(len(seed_crystals), n // 3):
        parent = seed_crystals[int(crystal)]
        kinds = np.unique(parent.numbers)
        table = np.zeros(119, dtype=np.int64)
        table[kinds] = rng.permutation([3, 11, 8, 9, 26, 17, 56])[: len(kinds)]
        substituted.append(Crystal.make(table[parent.numbers], parent.frac_coords, parent.lattice))
    base = known + substituted
    copies = [
        helpers["distorted"](base[i], rng, rng.choice([0.0, 0.01, 0.05, 0.1, 0.3]), rng.choice([0.0, 0.02, 0.1]))
        for i in rng.choice(len(base), n // 3)
        if len(base[i]) <= 12
    ]
    everything = CrystalBatch.from_crystals(base + copies)
    return everything.take(rng.permutation(len(everything)))


@pytest.mark.parametrize("seed", [1, 2])
def test_groups_are_structure_matchers(seed_crystals: CrystalBatch, helpers, seed: int) -> None:
    crystals = mixture(seed_crystals, helpers, seed, 300)
    expected = helpers["pymatgen_groups"](crystals)
    assert len(np.unique(expected)) < 0.85 * len(crystals)
    np.testing.assert_array_equal(groups(crystals), expected)


@pytest.mark.parametrize(
    ("seed", "n"),
    [
        pytest.param(10, 600, marks=pytest.mark.slow),
        *(pytest.param(seed, 2400, marks=pytest.mark.soak) for seed in range(11, 14)),
    ],
)
def test_groups_of_many_are_structure_matchers(seed_crystals: CrystalBatch, helpers, seed: int, n: int) -> None:
    crystals = mixture(seed_crystals, helpers, seed, n)
    np.testing.assert_array_equal(groups(crystals), helpers["pymatgen_groups"](crystals))


@pytest.mark.parametrize("every", [pytest.param(10, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.soak)])
def test_groups_of_relaxed_and_unrelaxed_are_structure_matchers(dft_data, helpers, every: int) -> None:
    import tarfile
    import warnings

    from pymatgen.core import Structure

    crystals = []
    with tarfile.open(dft_data / "relaxation_pairs.tar.gz") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for member in archive.getmembers():
            # The two crystals of one relaxation have one number.
            if member.name.endswith(".cif") and int(Path(member.name).stem) % every == 0:
                file = archive.extractfile(member)
                assert file is not None
                structure = Structure.from_str(file.read().decode(), fmt="cif")
                if structure.is_ordered and len(structure) <= 40:
                    crystals.append(Crystal.from_pymatgen(structure))
    batch = CrystalBatch.from_crystals(crystals)
    assert len(batch) > 500 / every
    np.testing.assert_array_equal(groups(batch), helpers["pymatgen_groups"](batch))


def test_admit_is_find_and_add_one_after_another(seed_crystals: CrystalBatch, helpers) -> None:
    crystals = mixture(seed_crystals, helpers, 3, 200)
    half = len(crystals) // 2
    one, many = SameCrystals(), SameCrystals()
    for i in range(half):
        one.add(f"k{i}", crystals[i])
    many.extend([f"k{i}" for i in range(half)], crystals.take(np.arange(half)))
    found = []
    for i in range(half, len(crystals)):
        crystal = crystals[i]
        found.append(one.find(crystal))
        if found[-1] is None:
            one.add(f"c{i}", crystal)
    rest = np.arange(half, len(crystals))
    chunks = np.array_split(rest, 3)
    admitted = [x for part in chunks for x in many.admit([f"c{i}" for i in part], crystals.take(part))]
    assert admitted == found
    assert {x[0] for x in found if x} == {"k", "c"}


def test_the_first_added_is_found(types) -> None:
    index = SameCrystals()
    assert index.find(types.rock_salt()) is None
    index.add("blende", types.zinc_blende())
    index.add("one", types.rock_salt(a=5.0))
    index.add("two", types.rock_salt(a=6.0))
    assert index.find(types.rock_salt(a=5.9)) == "one"
    assert index.matches(types.rock_salt()) == ["one", "two"]
    assert index.find(types.rock_salt("K")) is None


@settings(max_examples=15, deadline=None)
@given(which=st.integers(0, 2608), seed=st.integers(0, 10**6))
def test_found_by_any_description(seed_crystals: CrystalBatch, helpers, which: int, seed: int) -> None:
    index = SameCrystals()
    index.add("it", seed_crystals[which])
    assert index.find(helpers["other"](seed_crystals[which], np.random.default_rng(seed))) == "it"


def test_nothing_is_worked_out_before_a_second_crystal_is_looked_for(types, monkeypatch) -> None:
    made: list[int] = []
    original = index_module.Cells.of

    def counted(crystals: CrystalBatch) -> index_module.Cells:
        made.append(len(crystals))
        return original(crystals)

    monkeypatch.setattr(index_module.Cells, "of", counted)
    index = SameCrystals()
    for element in ("Li", "Na", "K"):
        index.add(element, types.rock_salt(element))
    assert index.find(types.rock_salt("Rb")) is None
    assert sum(made) == 0
    crystal = types.rock_salt("Na", a=5.0)
    assert index.find(crystal) == "Na"
    assert sum(made) == 2
    index.add("again", crystal)
    assert index.find(types.rock_salt("Na", a=5.1)) == "Na"
    assert sum(made) == 3


def test_bad_crystals_are_never_equal_and_never_raise(types) -> None:
    flat = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([4.0, 4.0, 0.0]))
    lost = Crystal(np.array([11, 17]), np.full((2, 3), np.nan), np.eye(3) * 4)
    batch = CrystalBatch.from_crystals([flat, types.rock_salt(), lost, flat, types.rock_salt(a=5.0)])
    np.testing.assert_array_equal(groups(batch), [0, 1, 2, 3, 1])
    index = SameCrystals()
    assert index.admit(list("abcde"), batch) == [None, None, None, None, "b"]
    assert index.find(flat) is None
    assert index.find(types.rock_salt()) == "b"


def test_composition_keys_are_formulas(seed_crystals: CrystalBatch) -> None:
    formulas, keys = seed_crystals.reduced_formulas(), composition_keys(seed_crystals)
    assert len(set(zip(formulas, keys, strict=True))) == len(set(formulas)) == len(set(keys))


def test_no_crystals() -> None:
    assert len(groups(CrystalBatch.empty())) == 0
    assert SameCrystals().admit([], CrystalBatch.empty()) == []
