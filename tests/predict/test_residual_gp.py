"""Errors at like compositions: a Gaussian process on atomic fractions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnome_lite.core.crystals import MAX_Z
from gnome_lite.predict.residual_gp import (
    AMPLITUDE_EV_PER_ATOM,
    LARGEST_EV_PER_ATOM,
    NOISE_EV_PER_ATOM,
    REACH,
    ResidualGP,
)


def counts(*formulas: dict[int, int]) -> np.ndarray:
    rows = np.zeros((len(formulas), MAX_Z + 1), dtype=np.int64)
    for row, formula in zip(rows, formulas, strict=True):
        for z, n in formula.items():
            row[z] = n
    return rows


def test_one_error_by_hand() -> None:
    """With one error r the mean is r a^2 k / (a^2 + n^2), k = exp(-d^2 / 2 l^2)."""
    shift = ResidualGP.fitted(counts({3: 1, 8: 1}), np.array([0.08]))
    known, near = AMPLITUDE_EV_PER_ATOM**2, np.exp(-2 * (1 / 2 - 2 / 3) ** 2 / (2 * REACH**2))
    expected = 0.08 * known / (known + NOISE_EV_PER_ATOM**2)
    assert shift(counts({3: 2, 8: 2}, {3: 2, 8: 1})) == pytest.approx([expected, expected * near])


def test_many_errors_are_a_linear_solve() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((30, MAX_Z + 1), dtype=np.int64)
    rows[:, [3, 8, 26]] = rng.integers(1, 6, (30, 3))
    error = rng.normal(0, 0.05, 30)
    x = rows / rows.sum(axis=1, keepdims=True)
    k = AMPLITUDE_EV_PER_ATOM**2 * np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / (2 * REACH**2))
    expected = k @ np.linalg.solve(k + NOISE_EV_PER_ATOM**2 * np.eye(30), error)
    assert ResidualGP.fitted(rows, error)(rows) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_expected_far_from_all_that_is_known() -> None:
    shift = ResidualGP.fitted(counts({3: 1, 8: 1}), np.array([0.4]))
    assert shift(counts({26: 1, 15: 1})) == pytest.approx([0.0], abs=1e-6)


def test_without_errors_nothing_shifts() -> None:
    assert not ResidualGP()(counts({3: 1}, {8: 1})).any()
    assert not ResidualGP.fitted(counts({3: 1}), np.array([np.nan]))(counts({3: 1})).any()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8))
def test_a_shift_is_never_beyond_the_errors(errors: list[float]) -> None:
    """Equal compositions: the mean lies between nothing and their mean error, each cut at the largest."""
    rows = counts(*[{3: 1, 8: 1}] * len(errors))
    (found,) = ResidualGP.fitted(rows, np.array(errors))(rows[:1])
    mean = float(np.mean(np.clip(errors, -LARGEST_EV_PER_ATOM, LARGEST_EV_PER_ATOM)))
    assert min(mean, 0.0) - 1e-9 <= found <= max(mean, 0.0) + 1e-9
