"""How well predictions did: pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def calibration_error(p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5) -> float | None:
    """Expected calibration error: mean |p - observed share| over equal-width bins, weighted by count.

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
    """What a reliability diagram shows: mean probability, observed share and count of each bin that is not empty."""
    which = np.minimum((p_stable * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    filled = count > 0
    said = np.bincount(which, p_stable, bins)[filled] / count[filled]
    seen = np.bincount(which, stable.astype(np.float64), bins)[filled] / count[filled]
    return said, seen, count[filled]


def spread_correlation(spread: NDArray[np.float64], error: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation of spread with |error|: 1 if a wider spread always means a larger error.

    None for fewer than three pairs that are finite, or if all are equal.
    """
    known = np.isfinite(spread) & np.isfinite(error)
    if known.sum() < 3:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(spread[known]), rankdata(np.abs(error[known]))
    if min(np.ptp(r) for r in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])
