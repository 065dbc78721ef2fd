"""How a dearer level will judge: what is learnt, beside the truth that outcomes were drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.core.crystals import MAX_Z
from gnome_lite.predict.level_difference import LevelDifference

ELEMENTS = (3, 8, 9, 11, 12, 13, 14, 15, 16, 22, 25, 26)


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compositions, what the cheaper level says, and how much the dearer one adds: by element, by luck, by chance."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((n, MAX_Z + 1), dtype=np.int64)
    for row in counts:
        row[rng.choice(ELEMENTS, 3, replace=False)] = rng.integers(1, 5, 3)
    of_element = np.random.default_rng(99).normal(0, 0.08, MAX_Z + 1)
    below = -np.abs(rng.normal(0, 0.03, n))
    own = rng.normal(0, 0.015, n)
    return counts, below, counts / counts.sum(1, keepdims=True) @ of_element + 0.01 - 0.4 * below + own


def test_elements_and_luck_are_learnt() -> None:
    counts, below, difference = drawn(300)
    known, new = slice(0, 200), slice(200, 300)
    mean, sigma = LevelDifference.fitted(counts[known], below[known], difference[known])(counts[new], below[new])
    error = np.abs(mean - (below + difference)[new])
    assert error.mean() < 0.4 * np.abs(difference[new]).mean()
    assert 0.55 < (error < sigma).mean() < 0.8, "sigma means what it says"
    assert (error < 2 * sigma).mean() > 0.9


def test_without_outcomes_the_level_below_is_believed_with_the_usual_spread() -> None:
    counts, below, _ = drawn(5)
    mean, sigma = LevelDifference()(counts, below)
    assert mean == pytest.approx(below)
    assert (sigma > 0.03).all()
    assert (sigma < 0.1).all()
    p = LevelDifference().p_stable(counts, np.array([-0.2, -0.1, 0.0, 0.1, 0.2]))
    assert (np.diff(p) < 0).all()


def test_an_outcome_counts_where_it_is_alike() -> None:
    counts, below, _ = drawn(2, seed=3)
    alike, other = counts[:1], np.zeros_like(counts[:1])
    other[0, [55, 53]] = 1
    learnt = LevelDifference.fitted(alike, below[:1], np.array([0.2]))
    assert learnt(alike, below[:1])[0] > learnt(other, below[:1])[0] > below[:1]
    assert learnt(alike, below[:1])[1] < learnt(other, below[:1])[1]


def test_what_is_not_finite_or_absurd_is_no_outcome() -> None:
    counts, below, difference = drawn(40)
    with_nan = LevelDifference.fitted(counts, below, np.where(np.arange(40) < 20, np.nan, difference))
    without = LevelDifference.fitted(counts[20:], below[20:], difference[20:])
    assert with_nan(counts, below)[0] == pytest.approx(without(counts, below)[0])
    spoilt = np.where(np.arange(40) == 7, 9.0, difference)
    kept, spoiled = (LevelDifference.fitted(counts, below, d) for d in (difference, spoilt))
    others = np.arange(40) != 7
    assert spoiled(counts, below)[0][others] == pytest.approx(kept(counts, below)[0][others], abs=0.06)
