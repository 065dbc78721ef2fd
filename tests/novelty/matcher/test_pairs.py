"""Sameness: pymatgen's decision, for every description of a crystal.

Covers `site_matching`.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core.structure_matcher import StructureMatcher

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.matcher.cells import Cells
from gnome_lite.novelty.matcher.pairs import fits, same
from gnome_lite.novelty.matcher.primitive import reduced
from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE, SITE_TOLERANCE

MATCHER = StructureMatcher(
    ltol=LENGTH_TOLERANCE, stol=SITE_TOLERANCE, angle_tol=ANGLE_TOLERANCE_DEG, primitive_cell=True, scale=True
)


def theirs(a: Crystal, b: Crystal) -> bool:
    return bool(MATCHER.fit(a.to_pymatgen(), b.to_pymatgen()))


@settings(max_examples=20, deadline=None)
@given(which=st.integers(0, 2608), seed=st.integers(0, 10**6))
def test_any_description_of_a_crystal_is_the_same(seed_crystals: CrystalBatch, helpers, which: int, seed: int) -> None:
    crystal = seed_crystals[which]
    copy = helpers["other"](crystal, np.random.default_rng(seed))
    assert same(crystal, copy)
    assert same(copy, crystal)


def test_decides_as_structure_matcher_on_distorted_crystals(seed_crystals: CrystalBatch, helpers) -> None:
    # From amplitudes that always match to some that never do: both answers must occur often.
    rng = np.random.default_rng(5)
    answers = []
    for i in rng.permutation(len(seed_crystals))[:120]:
        crystal = seed_crystals[i]
        copy = helpers["distorted"](crystal, rng, rng.choice([0.05, 0.2, 0.5, 0.9]), rng.choice([0.0, 0.05, 0.1, 0.2]))
        answers.append((theirs(crystal, copy), same(crystal, copy), theirs(copy, crystal), same(copy, crystal)))
    table = np.array(answers)
    assert 20 < table[:, 0].sum() < 100
    np.testing.assert_array_equal(table[:, [1, 3]], table[:, [0, 2]])


def test_reduced_crystals_are_pymatgens(seed_crystals: CrystalBatch, helpers) -> None:
    rng = np.random.default_rng(6)
    which = rng.permutation(len(seed_crystals))[:80]
    copies = [helpers["distorted"](seed_crystals[i], rng, rng.choice([0.0, 0.05, 0.2]), 0.02) for i in which]
    for copy, ours in zip(copies, reduced(CrystalBatch.from_crystals(copies)), strict=True):
        other = MATCHER._get_reduced_structure(copy.to_pymatgen())
        assert ours.numbers.tolist() == list(other.atomic_numbers)
        assert ours.volume == pytest.approx(len(ours))
        scale = np.cbrt(other.volume / len(other))
        np.testing.assert_allclose(ours.lattice, other.lattice.matrix / scale, atol=2e-4)
        off = ours.frac_coords - other.frac_coords
        np.testing.assert_allclose(off, np.rint(off), atol=1e-6)


def test_other_structures_and_other_formulas_are_not_the_same(types) -> None:
    assert not same(types.rock_salt(), types.zinc_blende())
    assert not same(types.rock_salt(), types.rock_salt("K"))
    assert not same(types.rock_salt(), types.fluorite("Na", "Cl"))
    assert same(types.rock_salt(a=5.0), types.rock_salt(a=7.0))


def test_a_mirror_image_is_the_same(types) -> None:
    rng = np.random.default_rng(0)
    chiral = Crystal.make([14, 8, 8, 7], rng.uniform(size=(4, 3)), np.diag([4.0, 5.0, 6.5]) + rng.uniform(size=(3, 3)))
    mirrored = Crystal.make(chiral.numbers, chiral.frac_coords, chiral.lattice * [1, 1, -1])
    assert same(chiral, mirrored)
    assert theirs(chiral, mirrored)


def test_polymorphs_of_the_materials_project(dft_data, helpers) -> None:
    import gzip
    import json

    from pymatgen.core import Structure

    with gzip.open(dft_data / "mp_entries_Fe-Li-O-P.json.gz", "rt") as file:
        documents = json.load(file)
    by_formula: dict[str, list[Crystal]] = {}
    for document in documents:
        crystal = Crystal.from_pymatgen(Structure.from_dict(document["structure"]))
        if len(crystal) <= 16:
            by_formula.setdefault(crystal.reduced_formula, []).append(crystal)
    polymorphs = [c for crystals in by_formula.values() for c in crystals[:6] if len(crystals) > 1][:110]
    crystals = CrystalBatch.from_crystals(polymorphs)
    cells = Cells.of(crystals)
    first, second = (k.ravel() for k in np.indices((len(cells), len(cells))))
    alike = np.array([cells.keys[i] == cells.keys[j] for i, j in zip(first, second, strict=True)]) & (first != second)
    first, second = first[alike], second[alike]
    ours = fits(cells, first, second)
    cached = [MATCHER._get_reduced_structure(c.to_pymatgen()) for c in crystals]
    expected = [
        MATCHER.fit(cached[i], cached[j], skip_structure_reduction=True) for i, j in zip(first, second, strict=True)
    ]
    assert len(first) > 100
    np.testing.assert_array_equal(ours, expected)


def test_what_is_no_crystal_equals_nothing(types) -> None:
    good = types.rock_salt()
    flat = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([4.0, 4.0, 0.0]))
    lost = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [np.nan] * 3]), np.eye(3) * 4)
    endless = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([np.inf, 4.0, 4.0]))
    thread = Crystal(np.array([11, 17]), np.array([[0.0] * 3, [0.5] * 3]), np.diag([1e-3, 1e-3, 4e6]))
    for bad in (flat, lost, endless, thread):
        assert not same(bad, bad)
        assert not same(bad, good)
        assert not same(good, bad)


def test_overlapping_atoms_do_not_raise() -> None:
    heap = Crystal(np.array([11, 17, 17, 17]), np.zeros((4, 3)), np.eye(3) * 4)
    assert same(heap, heap)
    assert same(heap, heap) == theirs(heap, heap)


def test_no_pairs() -> None:
    empty = np.empty(0, np.int64)
    assert len(fits(Cells.of(CrystalBatch.empty()), empty, empty)) == 0
