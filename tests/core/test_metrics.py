"""Figures of merit by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.core.metrics import calibration_error


def test_calibration_error_by_hand() -> None:
    p = np.array([0.1, 0.1, 0.9, 0.9])
    assert calibration_error(p, np.array([False, False, True, True])) == pytest.approx(0.1)
    assert calibration_error(p, np.array([True, True, False, False])) == pytest.approx(0.9)
    assert calibration_error(np.empty(0), np.empty(0, bool)) is None
