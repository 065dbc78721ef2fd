"""Superlattices and supercells: as many as there are, each a true supercell, mapped right by the space group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.core.crystals import Crystal
from gnome_lite.generate.supercells import (
    SiteSymmetry,
    hermite_normal_forms,
    inequivalent,
    site_permutations,
    supercells,
)

CUBIC = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])


def fcc() -> Crystal:
    return Crystal.make([29], [[0, 0, 0]], CUBIC * 1.8)


def hcp() -> Crystal:
    lattice = Lattice.hexagonal(3.2, 5.2).matrix
    return Crystal.make([12, 12], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]], lattice)


def perovskite() -> Crystal:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystal.make([38, 22, 8, 8, 8], sites, np.eye(3) * 3.9)


def rutile() -> Crystal:
    cell = from_spacegroup("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0] * 3, [0.305] * 2 + [0]])
    return Crystal.from_pymatgen(cell)


def symmetry_of(crystal: Crystal) -> SiteSymmetry:
    found = SiteSymmetry.of(crystal, 0.01)
    assert found is not None
    return found


@pytest.mark.parametrize(("index", "known"), enumerate((1, 7, 13, 35, 31, 91, 57, 155), start=1))
def test_forms_are_all_sublattices(index: int, known: int) -> None:
    """Sums of d * sigma(d) over divisors d of the index: the sublattices of Z^3 (OEIS A001001)."""
    forms = hermite_normal_forms(index)
    assert len(forms) == known
    assert np.linalg.det(forms) == pytest.approx(index)
    # Different forms are different lattices: no one is an integer combination of another.
    mixed = forms[:, None] @ np.linalg.inv(forms)
    same = np.isclose(mixed, np.rint(mixed)).all(axis=(2, 3))
    assert (same == np.eye(len(forms), dtype=bool)).all()


def test_superlattices_of_cubic_crystals() -> None:
    """Hart & Forcade, Phys. Rev. B 77, 224115 (2008), table IV: fcc and simple cubic by index 2 to 6."""
    for crystal, known in ((fcc(), (2, 3, 7, 5, 10)), (perovskite(), (3, 3, 9, 5, 13))):
        rotations = symmetry_of(crystal).rotations
        assert tuple(len(inequivalent(hermite_normal_forms(n), rotations)) for n in range(2, 7)) == known


@pytest.mark.parametrize("make", [fcc, hcp, perovskite, rutile])
@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_supercells_repeat_their_parent(make: object, index: int) -> None:
    crystal = make()  # type: ignore[operator]
    forms = hermite_normal_forms(index)[:: max(1, index - 1)]
    batch, site = supercells(crystal, forms)
    matcher = StructureMatcher(primitive_cell=True, scale=False)
    parent = crystal.to_pymatgen()
    for cell in list(batch)[:6]:
        assert len(cell) == index * len(crystal)
        assert cell.volume == pytest.approx(index * crystal.volume)
        assert (cell.numbers == crystal.numbers[site]).all()
        assert ((cell.frac_coords >= -1e-8) & (cell.frac_coords < 1)).all()
        assert matcher.fit(cell.to_pymatgen(), parent)


@pytest.mark.parametrize("make", [fcc, hcp, perovskite, rutile])
def test_permutations_keep_all_distances(make: object) -> None:
    """What a permutation of the space group does to the sites of a supercell is an isometry of the crystal."""
    crystal = make()  # type: ignore[operator]
    sites = symmetry_of(crystal)
    for form in hermite_normal_forms(3)[::4]:
        permutations, translations = site_permutations(sites, form)
        cell = supercells(crystal, form[None])[0][0]
        apart = cell.to_pymatgen().distance_matrix
        assert len(translations) == 2
        assert not (translations == np.arange(len(cell))).any()
        for permutation in permutations:
            assert sorted(permutation) == list(range(len(cell)))
            assert (cell.numbers[permutation] == cell.numbers).all()
            assert apart[np.ix_(permutation, permutation)] == pytest.approx(apart, abs=1e-6)
        # They form a group: closed under composition.
        known = {tuple(p) for p in permutations.tolist()}
        assert {tuple(a[b]) for a in permutations[:12] for b in permutations[:12]} <= known


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.lists(st.tuples(st.permutations(range(3)), st.integers(-2, 2)), max_size=3), st.data())
def test_number_of_superlattices_does_not_depend_on_the_cell(index: int, shears: list, data: st.DataObject) -> None:
    crystal = data.draw(st.sampled_from([hcp(), rutile(), perovskite()]))
    turn = np.eye(3, dtype=int)
    for (i, j, _), by in shears:
        turn[i] += by * turn[j]
    other = Crystal.make(crystal.numbers, crystal.frac_coords @ np.linalg.inv(turn), turn @ crystal.lattice)
    counts = [len(inequivalent(hermite_normal_forms(index), symmetry_of(c).rotations)) for c in (crystal, other)]
    assert counts[0] == counts[1]


def test_no_symmetry_is_none_and_labels_break_it() -> None:
    assert SiteSymmetry.of(Crystal.make([1, 1], [[0, 0, 0], [0, 0, 0]], np.eye(3)), 0.01) is None
    doubled = Crystal.make([29, 29], [[0, 0, 0], [0.5, 0, 0]], np.eye(3) * [4, 2, 2])
    assert SiteSymmetry.of(doubled, 0.01) is None  # not primitive
    sites = symmetry_of(perovskite())
    assert len(sites.rotations) == 48
    assert len(sites.keeping(np.array([0, 1, 2, 3, 3])).rotations) == 16
