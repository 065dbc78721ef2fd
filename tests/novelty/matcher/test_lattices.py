"""Reduction of lattices and mappings between them: pymatgen's, for many at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice

from gnome_lite.novelty.matcher.lattices import (
    determinants,
    inverse_heights,
    lengths_and_angles,
    metric,
    triangular,
    unimodular_inverse,
)
from gnome_lite.novelty.matcher.mappings import mappings
from gnome_lite.novelty.matcher.reduction import first_listed, lll, niggli
from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE

SYMMETRIC = {
    "cubic": Lattice.cubic(4.0),
    "fcc": Lattice([[0, 2, 2], [2, 0, 2], [2, 2, 0]]),
    "bcc": Lattice([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]),
    "hexagonal": Lattice.hexagonal(3.0, 5.0),
    "rhombohedral": Lattice.rhombohedral(4.0, 55.0),
    "tetragonal": Lattice.tetragonal(4.0, 6.0),
    "monoclinic": Lattice.monoclinic(4.0, 5.0, 6.0, 103.0),
    "nearly orthorhombic": Lattice.from_parameters(4.0, 5.0, 6.0, 90.2, 89.8, 90.1),
}


def random_lattices(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kept = []
    while len(kept) < n:
        lattice = rng.uniform(-6, 6, (3, 3))
        if abs(np.linalg.det(lattice)) > 10:
            kept.append(lattice)
    return np.array(kept)


def skewed(lattice: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    transform = np.eye(3)
    for _ in range(4):
        step = np.eye(3)
        i, j = rng.permutation(3)[:2]
        step[i, j] = rng.integers(-3, 4)
        transform = step @ transform
    return transform @ lattice


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_niggli_cell_is_pymatgens(seed: int) -> None:
    lattices = random_lattices(seed, 8)
    transform = niggli(lattices)
    np.testing.assert_allclose(np.linalg.det(transform), 1.0, atol=1e-9)
    transform = first_listed(transform, lattices)
    np.testing.assert_allclose(np.linalg.det(transform), 1.0, atol=1e-9)
    ours = np.concatenate(lengths_and_angles(transform @ lattices), axis=1)
    theirs = [Lattice(m).get_niggli_reduced_lattice().parameters for m in lattices]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("name", sorted(SYMMETRIC))
def test_the_very_basis_of_a_symmetric_lattice_is_pymatgens(name: str) -> None:
    # Tolerances of the search for the primitive cell lie along these vectors: parameters alone would not do.
    rng = np.random.default_rng(sorted(SYMMETRIC).index(name))
    for _ in range(5):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        lattice = skewed(SYMMETRIC[name].matrix, rng) @ rotation
        ours = first_listed(niggli(lattice[None]), lattice[None])[0] @ lattice
        theirs = Lattice(lattice).get_niggli_reduced_lattice().matrix
        if np.linalg.det(lattice) < 0:
            theirs = -theirs  # pymatgen turns left-handed bases round
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(SYMMETRIC)), st.integers(0, 10**6))
def test_mappings_are_pymatgens(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = SYMMETRIC[name].get_niggli_reduced_lattice()
    second = Lattice(first.matrix @ (np.eye(3) + rng.uniform(-0.08, 0.08, (3, 3)))).get_niggli_reduced_lattice()
    found = mappings(
        first.matrix[None], np.array([second.lengths]), np.array([second.angles]), LENGTH_TOLERANCE, ANGLE_TOLERANCE_DEG
    )
    expected = {
        tuple(scale.ravel().astype(int))
        for _, _, scale in first.find_all_mappings(
            second, ltol=LENGTH_TOLERANCE, atol=ANGLE_TOLERANCE_DEG, skip_rotation_matrix=True
        )
        if abs(abs(np.linalg.det(scale)) - 1) < 0.5
    }
    assert {tuple(b.ravel()) for b in found.basis} == expected
    lengths, angles = lengths_and_angles(found.basis @ first.matrix)
    np.testing.assert_allclose(found.lengths, lengths, atol=1e-9)
    np.testing.assert_allclose(found.angles_deg, angles, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_lll_fulfils_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattices = np.array([skewed(m, rng) for m in random_lattices(seed, 6)])
    transform = lll(lattices)
    np.testing.assert_allclose(np.abs(np.linalg.det(transform)), 1.0, atol=1e-6)
    for basis in transform @ lattices:
        orthogonal = np.linalg.qr(basis.T)[1].T
        length = np.diag(orthogonal)
        mu = orthogonal / length
        assert np.abs(np.tril(mu, -1)).max() <= 0.5 + 1e-6
        for k in (1, 2):
            assert length[k] ** 2 >= (0.75 - mu[k, k - 1] ** 2) * length[k - 1] ** 2 - 1e-9


def test_closed_forms_are_lapacks() -> None:
    lattices = random_lattices(0, 20)
    tensors = lattices @ lattices.transpose(0, 2, 1)
    np.testing.assert_allclose(metric(*lengths_and_angles(lattices)), tensors, atol=1e-9)
    np.testing.assert_allclose(triangular(tensors), np.linalg.cholesky(tensors), atol=1e-9)
    np.testing.assert_allclose(determinants(lattices), np.linalg.det(lattices), rtol=1e-9)
    np.testing.assert_allclose(inverse_heights(lattices), np.linalg.norm(np.linalg.inv(lattices), axis=1), rtol=1e-9)
    transform = niggli(lattices)
    np.testing.assert_array_equal(unimodular_inverse(transform) @ transform, np.tile(np.eye(3), (20, 1, 1)))


def test_extreme_cells_are_reduced() -> None:
    compact = np.array([np.diag([3.0, 3.0, 4000.0]), Lattice.from_parameters(3.0, 3.4, 3.9, 81, 77, 85).matrix])
    sheared = np.array([[1, 0, 0], [2999, 1, 0], [-1234, 4567, 1]]) @ compact
    for cells in (compact, sheared):
        ours, _ = lengths_and_angles(niggli(cells) @ cells)
        np.testing.assert_allclose(ours, [[3.0, 3.0, 4000.0], [3.0, 3.4, 3.9]], rtol=1e-6)
