"""From a predicted distance to the hull and its uncertainty to a probability of being stable."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from gnome_lite.records import STABLE_EV_PER_ATOM

IQR_PER_SIGMA = 1.349
"""Interquartile range of a normal distribution of standard deviation 1."""

SIGMA_PER_MAE = math.sqrt(math.pi / 2)
"""Standard deviation of a normal distribution of mean absolute deviation 1 (1.2533)."""


def p_stable(
    distance_ev_per_atom: ArrayLike, spread_ev_per_atom: ArrayLike, residual_ev_per_atom: float
) -> NDArray[np.float64]:
    """Probability that verification finds a crystal on the hull.

    The true distance is taken as normal about the predicted one, with two independent causes of error: what
    the members disagree on and what they all miss,

        sigma^2 = (IQR / 1.349)^2 + (1.2533 residual)^2,

    and the answer is its probability to be at most `STABLE_EV_PER_ATOM`. It falls with distance; a wide
    spread moves it towards one half from either side.

    Args:
        distance_ev_per_atom: predicted signed distance to the hull of known phases, [n]; negative is below.
        spread_ev_per_atom: interquartile range over the members, [n].
        residual_ev_per_atom: mean absolute error of the ensemble on crystals it has not seen.

    Returns:
        Probability 0..1, [n]; 0 where distance or spread is not finite: a missing prediction counts as unstable.

    Raises:
        ValueError: if the residual is negative or not finite.
    """
    if not (math.isfinite(residual_ev_per_atom) and residual_ev_per_atom >= 0):
        raise ValueError(f"residual of {residual_ev_per_atom} eV/atom: give the hold-out error, which is >= 0")
    distance, spread = np.broadcast_arrays(
        np.asarray(distance_ev_per_atom, dtype=np.float64), np.asarray(spread_ev_per_atom, dtype=np.float64)
    )
    known = np.isfinite(distance) & np.isfinite(spread)
    sigma = np.hypot(np.where(known, spread, 0.0) / IQR_PER_SIGMA, residual_ev_per_atom * SIGMA_PER_MAE)
    margin = STABLE_EV_PER_ATOM - np.where(known, distance, np.inf)
    # A certain prediction (sigma 0) is a step; the floor keeps 0 / 0 out and is far below any energy.
    return ndtr(margin / np.maximum(sigma, 1e-12))
