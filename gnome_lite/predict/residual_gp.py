"""Where in the space of compositions predictions have been too low or too high, learnt from what was verified.

A network's errors are those of chemistry: when one nitride of an alkali metal came out higher than predicted, so will
the next. The errors are taken for a Gaussian process on atomic fractions (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, ch. 2): its mean is what to expect at a composition, and nothing far from all that
was verified. It is learnt in milliseconds, and needs no gradient of a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from gnome_lite.core.crystals import MAX_Z, atomic_fractions

AMPLITUDE_EV_PER_ATOM, NOISE_EV_PER_ATOM = 0.1, 0.05
"""Standard deviations of errors that compositions have in common, and of those of a single crystal."""
REACH = 0.15
"""Distance in atomic fractions over which errors are alike: a tenth of the atoms exchanged."""
LARGEST_EV_PER_ATOM = 0.5
"""Errors count as no larger: a broken relaxation is no chemistry."""
MOST = 3000
"""Verified crystals learnt from, the last ones."""


@dataclass(frozen=True, slots=True, eq=False)
class ResidualGP:
    """Mean of the process, given m errors; 0 everywhere without any.

    Attributes:
        fractions: atomic fractions of what was verified, [m, MAX_Z + 1].
        weights: of each in the mean, eV/atom, [m].
    """

    fractions: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, MAX_Z + 1)))
    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def fitted(cls, counts: NDArray[np.integer], error_ev_per_atom: NDArray[np.float64]) -> ResidualGP:
        """From atom counts [m, MAX_Z + 1] and errors (verified - predicted), [m]; those that are NaN are left out."""
        known = np.flatnonzero(np.isfinite(error_ev_per_atom))[-MOST:]
        if not len(known):
            return cls()
        fractions = atomic_fractions(counts[known])
        covariance = _alike(fractions, fractions)
        covariance[np.diag_indices_from(covariance)] += NOISE_EV_PER_ATOM**2
        error = np.clip(error_ev_per_atom[known], -LARGEST_EV_PER_ATOM, LARGEST_EV_PER_ATOM)
        return cls(fractions, cho_solve(cho_factor(covariance, lower=True), error))

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """What to add to predictions at atom counts [n, MAX_Z + 1], eV/atom, [n]."""
        return np.asarray(_alike(atomic_fractions(counts), self.fractions) @ self.weights)


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return AMPLITUDE_EV_PER_ATOM**2 * np.exp(-cdist(a, b, "sqeuclidean") / (2 * REACH**2))
