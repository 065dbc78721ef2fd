from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from gnome_lite.predict.calibrate import p_stable

energy = st.floats(-2, 2)
width = st.floats(0, 1)


@given(energy, energy, width, width)
def test_falls_with_distance_and_lies_between_0_and_1(a: float, b: float, spread: float, residual: float) -> None:
    near, far = p_stable([min(a, b), max(a, b)], spread, residual)
    assert 0 <= far <= near <= 1


@given(energy, width, st.floats(1e-4, 1), st.floats(1e-3, 1))
def test_more_doubt_moves_it_towards_one_half(d: float, spread: float, residual: float, more: float) -> None:
    sure, unsure = p_stable([d], spread, residual), p_stable([d], spread + more, residual)
    assert abs(unsure[0] - 0.5) <= abs(sure[0] - 0.5) + 1e-12


def test_is_the_normal_probability_that_the_docstring_gives() -> None:
    sigma = np.hypot(0.02 / (2 * norm.ppf(0.75)), 0.03 * np.sqrt(np.pi / 2))
    assert p_stable([0.04], [0.02], 0.03)[0] == pytest.approx(norm.cdf((5e-5 - 0.04) / sigma), rel=1e-3)


def test_a_missing_prediction_is_unstable_and_a_certain_one_is_a_step() -> None:
    p = p_stable([np.nan, -1.0, np.inf, -1.0, 1e-3], [0.1, np.nan, 0.1, 0.0, 0.0], 0.0)
    np.testing.assert_array_equal(p, [0, 0, 0, 1, 0])


@pytest.mark.parametrize("residual", [np.nan, -0.1, np.inf])
def test_residual_must_be_a_number(residual: float) -> None:
    with pytest.raises(ValueError, match="hold-out error"):
        p_stable([0.0], [0.1], residual)
