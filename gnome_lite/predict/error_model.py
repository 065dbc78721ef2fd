"""From a predicted distance to the hull and its uncertainty to a probability of being stable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from gnome_lite.core.records import STABLE_EV_PER_ATOM

IQR_PER_SIGMA = 1.349
"""Interquartile range of a normal distribution of standard deviation 1."""

SIGMA_PER_MAE = math.sqrt(math.pi / 2)
"""Standard deviation of a normal distribution of mean absolute deviation 1 (1.2533)."""

FEWEST_RESIDUALS = 40
"""A residual model is fitted on so many known errors or more: on fewer its three numbers are chance."""

NEAR_EV_PER_ATOM = 0.2
"""Predictions within this distance of the hull are those that P(stable) is of."""


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """How far predictions are off, as a function of the ensemble's spread.

    Errors are normal with

        sigma^2 = floor^2 + (slope * IQR / 1.349)^2

    about predicted + bias. The floor is what all members miss, the slope how far the members' spread is to be believed.
    """

    floor_ev_per_atom: float
    slope: float = 1.0
    bias_ev_per_atom: float = 0.0

    @classmethod
    def of_mae(cls, mae_ev_per_atom: float) -> ErrorModel:
        """Make a model without known errors: the floor from a mean absolute error, the spread taken at its word.

        Raises:
            ValueError: if it is negative or not finite.
        """
        if not (math.isfinite(mae_ev_per_atom) and mae_ev_per_atom >= 0):
            raise ValueError(f"residual of {mae_ev_per_atom} eV/atom: give the hold-out error, which is >= 0")
        return cls(SIGMA_PER_MAE * mae_ev_per_atom)

    @classmethod
    def fitted(cls, error_ev_per_atom: ArrayLike, spread_ev_per_atom: ArrayLike) -> ErrorModel:
        """Fit by maximum likelihood to errors (true - predicted) and spreads, [m] each.

        Errors are first cut at five times their typical size (the median of |error| / 0.6745): a single broken
        relaxation would else widen them all. The bias is shrunk by its own standard error.

        Raises:
            ValueError: if fewer than two are known.
        """
        from scipy.optimize import minimize

        error = np.asarray(error_ev_per_atom, dtype=np.float64)
        iqr = np.asarray(spread_ev_per_atom, dtype=np.float64) / IQR_PER_SIGMA
        known = np.isfinite(error) & np.isfinite(iqr)
        error, iqr = error[known], iqr[known]
        if len(error) < 2:
            raise ValueError(f"{len(error)} known errors: give at least two")
        centre = float(np.median(error))
        typical = max(float(np.median(np.abs(error - centre))) / 0.6745, 1e-4)
        error = np.clip(error, centre - 5 * typical, centre + 5 * typical)
        offset = float(error.mean())
        offset *= offset**2 / (offset**2 + float(error.var()) / len(error) + 1e-12)

        def surprise(log: NDArray[np.float64]) -> float:
            variance = np.exp(2 * log[0]) + np.exp(2 * log[1]) * iqr**2
            return float(np.mean(np.log(variance) + (error - offset) ** 2 / variance))

        found = minimize(surprise, np.log([typical, 1.0]), method="L-BFGS-B", bounds=[(-9.0, 1.0), (-5.0, 2.0)])
        return cls(float(np.exp(found.x[0])), float(np.exp(found.x[1])), offset)

    def sigma(self, spread_ev_per_atom: ArrayLike) -> NDArray[np.float64]:
        """Standard deviation of the error, eV/atom, [n]."""
        spread = np.asarray(spread_ev_per_atom, dtype=np.float64)
        return np.hypot(self.floor_ev_per_atom, self.slope * spread / IQR_PER_SIGMA)

    def p_stable(self, e_above_hull_ev_per_atom: ArrayLike, spread_ev_per_atom: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that verification finds each crystal on the hull, 0..1, [n].

        The true distance is taken as normal about the predicted one, and the answer is its probability to be at most
        `STABLE_EV_PER_ATOM`. It falls with distance; a wide spread moves it towards one half from either side. It is 0
        where distance or spread is not finite: a missing prediction counts as unstable.

        Args:
            e_above_hull_ev_per_atom: predicted signed distance to the hull of known phases, [n]; negative is below.
            spread_ev_per_atom: how far the members are apart, as an interquartile range, [n].
        """
        known, distance, sigma = self._finite(e_above_hull_ev_per_atom, spread_ev_per_atom)
        margin = STABLE_EV_PER_ATOM - self.bias_ev_per_atom - np.where(known, distance, np.inf)
        return ndtr(margin / sigma)

    def expected_improvement(
        self, e_above_hull_ev_per_atom: ArrayLike, spread_ev_per_atom: ArrayLike
    ) -> NDArray[np.float64]:
        """Return by how much verification is expected to lower the hull at each crystal's composition, eV/atom, [n].

        With the normal distribution and the arguments of `p_stable`: the mean of max(0, -distance) (Jones, Schonlau and
        Welch, Journal of Global Optimization 13, 455 (1998)); 0 where distance or spread is not finite.
        """
        known, distance, sigma = self._finite(e_above_hull_ev_per_atom, spread_ev_per_atom)
        depth = -(np.where(known, distance, 0.0) + self.bias_ev_per_atom) / sigma
        density = np.exp(-np.minimum(depth**2, 1e3) / 2) / math.sqrt(2 * math.pi)
        return np.where(known, np.maximum(sigma * (density + depth * ndtr(depth)), 0.0), 0.0)

    def _finite(
        self, distance_ev_per_atom: ArrayLike, spread_ev_per_atom: ArrayLike
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
        """Masks of finite distance and spread, distances, and sigma where both are finite, [n] each."""
        distance, spread = np.broadcast_arrays(
            np.asarray(distance_ev_per_atom, dtype=np.float64), np.asarray(spread_ev_per_atom, dtype=np.float64)
        )
        known = np.isfinite(distance) & np.isfinite(spread)
        # A certain prediction (sigma 0) is a step; the floor keeps 0 / 0 out and is far below any energy.
        return known, distance, np.maximum(self.sigma(np.where(known, spread, 0.0)), 1e-12)
