"""CrystalBatch against pymatgen and ASE, and the invariances of its operations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymatgen.core import Lattice, Structure

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number, chemical_system


@st.composite
def crystals(draw: st.DrawFn) -> Crystal:
    n = draw(st.integers(1, 6))
    numbers = draw(st.lists(st.integers(1, 94), min_size=n, max_size=n))
    coords = draw(arrays(np.float64, (n, 3), elements=st.floats(-2, 2, width=32)))
    lattice = np.diag(draw(arrays(np.float64, 3, elements=st.floats(2, 12)))) + draw(
        arrays(np.float64, (3, 3), elements=st.floats(-0.5, 0.5))
    )
    return Crystal.make(numbers, coords, lattice)


batches = st.lists(crystals(), min_size=1, max_size=6)


@given(batches)
def test_batch_gives_back_its_crystals(many: list[Crystal]) -> None:
    batch = CrystalBatch.from_crystals(many)
    assert batch.content_ids == [c.content_id for c in batch] == [c.content_id for c in many]
    assert batch.n_atoms.tolist() == [len(c) for c in many]
    assert batch.counts.tolist() == [c.counts.tolist() for c in many]
    np.testing.assert_allclose(batch.volumes, [c.volume for c in many], rtol=1e-12)


@given(batches, st.randoms(use_true_random=False))
def test_take_is_indexing(many: list[Crystal], random) -> None:
    batch = CrystalBatch.from_crystals(many)
    index = [random.randrange(len(many)) for _ in range(random.randrange(8))]
    assert [c.content_id for c in batch.take(index)] == [many[i].content_id for i in index]
    mask = np.array([random.random() < 0.5 for _ in many])
    assert [c.content_id for c in batch.take(mask)] == [c.content_id for c, m in zip(many, mask, strict=True) if m]


@given(batches, batches)
def test_concatenate(a: list[Crystal], b: list[Crystal]) -> None:
    parts = [CrystalBatch.from_crystals(a), CrystalBatch.empty(), CrystalBatch.from_crystals(b)]
    assert [c.content_id for c in CrystalBatch.concatenate(parts)] == [c.content_id for c in a + b]


@given(batches, st.floats(0.5, 2.0))
def test_scaled_multiplies_volume(many: list[Crystal], factor: float) -> None:
    batch = CrystalBatch.from_crystals(many)
    np.testing.assert_allclose(batch.scaled(factor).volumes, factor * batch.volumes, rtol=1e-10)


@settings(max_examples=25)
@given(crystals())
def test_round_trips(crystal: Crystal) -> None:
    for back in (Crystal.from_pymatgen(crystal.to_pymatgen()), Crystal.from_ase(crystal.to_ase())):
        np.testing.assert_array_equal(back.numbers, crystal.numbers)
        np.testing.assert_allclose(back.frac_coords, crystal.frac_coords, atol=1e-9)
        np.testing.assert_allclose(back.lattice, crystal.lattice, atol=1e-12)


@given(crystals(), st.integers(-3, 3))
def test_content_id_ignores_lattice_translations_and_noise(crystal: Crystal, shift: int) -> None:
    moved = Crystal.make(crystal.numbers, np.round(crystal.frac_coords, 4) + shift, crystal.lattice)
    still = Crystal.make(crystal.numbers, np.round(crystal.frac_coords, 4), crystal.lattice)
    assert moved.content_id == still.content_id
    grown = Crystal.make(crystal.numbers, crystal.frac_coords, crystal.lattice * 1.01)
    assert grown.content_id != crystal.content_id


def test_formula_and_system_are_pymatgens(rocksalt: Crystal) -> None:
    olivine = Structure(Lattice.cubic(6), ["Li", "Fe", "P", *["O"] * 4], np.linspace(0, 0.9, 21).reshape(7, 3))
    assert Crystal.from_pymatgen(olivine).reduced_formula == olivine.composition.reduced_formula == "LiFePO4"
    assert Crystal.from_pymatgen(olivine).chemical_system == olivine.chemical_system == "Fe-Li-O-P"
    assert CrystalBatch.from_crystals([rocksalt, rocksalt]).reduced_formulas() == ["NaCl", "NaCl"]
    assert chemical_system([17, 11, 11]) == "Cl-Na"


def test_bad_crystals_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Crystal.make([11], [[0, 0, np.nan]], np.eye(3))
    with pytest.raises(ValueError, match="atomic numbers"):
        Crystal.make([0], [[0, 0, 0]], np.eye(3))
    with pytest.raises(ValueError, match="coordinates"):
        Crystal.make([11, 17], [[0, 0, 0]], np.eye(3))
    with pytest.raises(ValueError, match="no element 'Xx'"):
        atomic_number("Xx")
    disordered = Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    with pytest.raises(ValueError, match="disordered"):
        Crystal.from_pymatgen(disordered)
