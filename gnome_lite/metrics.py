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
