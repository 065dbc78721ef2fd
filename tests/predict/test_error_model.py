from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from gnome_lite.core.metrics import calibration_error, reliability
from gnome_lite.predict.error_model import IQR_PER_SIGMA, ErrorModel

energy = st.floats(-2, 2)
width = st.floats(0, 1)


@given(energy, energy, width, width)
def test_falls_with_distance_and_lies_between_0_and_1(a: float, b: float, spread: float, residual: float) -> None:
    near, far = ErrorModel.of_mae(residual).p_stable([min(a, b), max(a, b)], spread)
    assert 0 <= far <= near <= 1


@given(energy, width, st.floats(1e-4, 1), st.floats(1e-3, 1))
def test_more_doubt_moves_it_towards_one_half(d: float, spread: float, residual: float, more: float) -> None:
    residuals = ErrorModel.of_mae(residual)
    sure, unsure = residuals.p_stable([d], spread), residuals.p_stable([d], spread + more)
    assert abs(unsure[0] - 0.5) <= abs(sure[0] - 0.5) + 1e-12


def test_is_the_normal_probability_that_the_docstring_gives() -> None:
    sigma = np.hypot(0.02 / (2 * norm.ppf(0.75)), 0.03 * np.sqrt(np.pi / 2))
    p = ErrorModel.of_mae(0.03).p_stable([0.04], [0.02])[0]
    assert p == pytest.approx(norm.cdf((5e-5 - 0.04) / sigma), rel=1e-3)
    biased = ErrorModel(0.03, 1.0, 0.02).p_stable([0.04], [0.0])[0]
    assert biased == pytest.approx(norm.cdf((5e-5 - 0.06) / 0.03), rel=1e-6)


def test_expected_improvement_is_the_mean_depth_below_the_hull() -> None:
    rng = np.random.default_rng(0)
    for distance, bias in ((0.1, 0.0), (0.0, 0.02), (-0.2, -0.05)):
        residuals = ErrorModel(0.05, 2.0, bias)
        sigma = float(residuals.sigma(0.03))
        drawn = distance + bias + sigma * rng.normal(size=400_000)
        expected = np.maximum(0, -drawn).mean()
        assert residuals.expected_improvement([distance], [0.03])[0] == pytest.approx(expected, abs=3e-4)


@given(energy, energy, width, width)
def test_expected_improvement_falls_with_distance(a: float, b: float, spread: float, residual: float) -> None:
    residuals = ErrorModel.of_mae(residual)
    near, far = residuals.expected_improvement([min(a, b), max(a, b)], spread)
    assert near >= far >= 0
    assert near >= -min(a, b) - 1e-9
    assert residuals.expected_improvement([np.nan], spread)[0] == 0


def test_a_missing_prediction_is_unstable_and_a_certain_one_is_a_step() -> None:
    p = ErrorModel.of_mae(0.0).p_stable([np.nan, -1.0, np.inf, -1.0, 1e-3], [0.1, np.nan, 0.1, 0.0, 0.0])
    np.testing.assert_array_equal(p, [0, 0, 0, 1, 0])


@pytest.mark.parametrize("residual", [np.nan, -0.1, np.inf])
def test_residual_must_be_a_number(residual: float) -> None:
    with pytest.raises(ValueError, match="hold-out error"):
        ErrorModel.of_mae(residual)


def test_the_fit_finds_what_errors_were_drawn_from_and_calibrates() -> None:
    rng = np.random.default_rng(0)
    truth = ErrorModel(0.03, 1.6, 0.02)
    spread = rng.exponential(0.04, 20_000)
    error = truth.bias_ev_per_atom + truth.sigma(spread) * rng.normal(size=len(spread))
    fitted = ErrorModel.fitted(error, spread)
    assert fitted.floor_ev_per_atom == pytest.approx(truth.floor_ev_per_atom, rel=0.1)
    assert fitted.slope == pytest.approx(truth.slope, rel=0.1)
    assert fitted.bias_ev_per_atom == pytest.approx(truth.bias_ev_per_atom, abs=0.003)
    distance = rng.normal(0.0, 0.08, len(spread))
    stable = distance + error <= 0
    calibrated = calibration_error(fitted.p_stable(distance, spread), stable)
    trusting = calibration_error(ErrorModel(1e-3, 1.0).p_stable(distance, spread), stable)
    assert calibrated is not None
    assert trusting is not None
    assert calibrated < 0.015 < trusting


def test_one_broken_relaxation_does_not_widen_the_rest_and_a_bias_of_chance_is_no_bias() -> None:
    rng = np.random.default_rng(1)
    error, spread = rng.normal(0, 0.05, 60), np.full(60, 0.02)
    clean, broken = ErrorModel.fitted(error, spread), ErrorModel.fitted([*error, 30.0], [*spread, 0.02])
    assert broken.sigma(0.02) < 1.3 * clean.sigma(0.02)
    assert abs(clean.bias_ev_per_atom) <= abs(error.mean())
    with pytest.raises(ValueError, match="at least two"):
        ErrorModel.fitted([np.nan, 1.0], [0.1, 0.1])


def test_the_gaps_of_a_reliability_diagram_add_up_to_the_calibration_error() -> None:
    p, stable = np.array([0.0, 0.1, 0.9, 1.0]), np.array([False, True, True, True])
    said, seen, count = reliability(p, stable, 2)
    np.testing.assert_allclose(said, [0.05, 0.95])
    np.testing.assert_allclose(seen, [0.5, 1.0])
    np.testing.assert_array_equal(count, [2, 2])
    assert calibration_error(p, stable, 2) == pytest.approx(np.sum(np.abs(said - seen) * count) / 4)


def test_the_calibration_sigma_of_a_normal_ensemble_is_its_iqr() -> None:
    assert ErrorModel(0.0).sigma(IQR_PER_SIGMA) == pytest.approx(1.0)
