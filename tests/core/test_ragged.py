"""Rows of unequal length against plain loops."""

from __future__ import annotations

import numpy as np

from gnome_lite.core.ragged import join, ranges, rows_at, spread

LENGTHS = np.array([2, 0, 3])


def test_rows_against_loops() -> None:
    assert ranges(LENGTHS).tolist() == [0, 1, 0, 1, 2]
    row, place = spread(np.array([10, 20, 30]), LENGTHS)
    assert row.tolist() == [0, 0, 2, 2, 2]
    assert place.tolist() == [10, 11, 30, 31, 32]
    assert rows_at(np.array([2, 0]), LENGTHS).tolist() == [2, 3, 4, 0, 1]


def test_a_join_is_all_pairs_of_one_key() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 5, 20), np.sort(rng.integers(0, 5, 15))
    i, j = join(left, right, 5)
    pairs = set(zip(i.tolist(), j.tolist(), strict=True))
    assert pairs == {(a, b) for a in range(20) for b in range(15) if left[a] == right[b]}
    assert (np.diff(i) >= 0).all()
