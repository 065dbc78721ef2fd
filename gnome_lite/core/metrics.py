"""Metrics of predicted stability: pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def calibration_error(p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5) -> float | None:
    """Return the expected calibration error: mean |p - observed share| over equal-width bins, weighted by count.

    Guo et al., ICML 2017. None for no crystals.
    """
    if not len(p_stable):
        return None
    which = np.minimum((p_stable * bins).astype(int), bins - 1)
    gaps = [abs(p_stable[which == b].sum() - stable[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(p_stable))


def reliability(
    p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return mean probability, observed share and count of each bin of a reliability diagram that is not empty."""
    which = np.minimum((p_stable * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    filled = count > 0
    said = np.bincount(which, p_stable, bins)[filled] / count[filled]
    seen = np.bincount(which, stable.astype(np.float64), bins)[filled] / count[filled]
    return said, seen, count[filled]
