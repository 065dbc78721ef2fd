"""Bases of shorter vectors: of the same lattice, and none of them shortens further."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnome_lite.chemistry.shortening import shortened

PAIRS = tuple(permutations(range(3), 2))
TIE = 1e-9


@given(arrays(np.float64, (4, 3, 3), elements=st.floats(-8, 8)))
@settings(max_examples=100, deadline=None)
def test_the_same_lattice_in_shorter_vectors(lattices: np.ndarray) -> None:
    lattices = lattices + 20 * np.eye(3)  # none of them flat
    transforms, bases = shortened(lattices, PAIRS, TIE)
    assert np.allclose(transforms @ lattices, bases)
    assert np.allclose(np.linalg.det(transforms), 1.0)
    assert (np.linalg.norm(bases, axis=2) <= np.linalg.norm(lattices, axis=2) + 1e-9).all()
    for i, j in PAIRS:
        ratio = (bases[:, i] * bases[:, j]).sum(axis=1) / (bases[:, j] ** 2).sum(axis=1)
        assert (np.abs(ratio) <= 0.5 + 1e-6).all()


def test_a_sheared_cube_becomes_a_cube() -> None:
    sheared = np.array([[[1.0, 0, 0], [3, 1, 0], [-2, 5, 1]]])
    _, bases = shortened(sheared, PAIRS, TIE)
    assert np.allclose(np.linalg.norm(bases[0], axis=1), 1.0)


def test_no_lattices() -> None:
    transforms, bases = shortened(np.empty((0, 3, 3)), PAIRS, TIE)
    assert transforms.shape == bases.shape == (0, 3, 3)
