"""How a dearer level of theory will judge what a cheaper one found, learnt from the outcomes so far.

The difference of the two levels' decomposition energies is a Gaussian process (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, ch. 2 and 5) with four parts: one number for all crystals, one for each element
in proportion to its share, one at like compositions, and a slope with what the cheaper level said, for the best of
many are best by luck. How large each is, is fitted to the outcomes about what is usual between two potentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import ndtr

from gnome_lite.core.crystals import MAX_Z, atomic_fractions
from gnome_lite.core.records import STABLE_EV_PER_ATOM

USUAL = np.log([0.02, 0.06, 0.03, 0.3, 0.02])
"""Standard deviations before any outcome, eV/atom: of the shift of all crystals, of an element's, of like formulas';
of the slope; and of what is a crystal's own."""
SURE = 0.7
"""Standard deviation of their logarithms: about a factor of two."""
REACH = 0.2
"""Distance in atomic fractions over which compositions are alike."""
FURTHEST, ALWAYS_EV_PER_ATOM = 2.0, 0.04
"""Differences count as no further from their median than so many typical deviations, but so far always: beyond,
another crystal was found at the dearer level, not another energy."""
MOST = 1000
"""Outcomes learnt from, the last ones."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelDifference:
    """The process, given m outcomes; without any, what is usual.

    Attributes:
        fractions: atomic fractions of the outcomes' crystals, [m, MAX_Z + 1].
        below_ev_per_atom: their decomposition energies at the cheaper level, [m].
        difference_ev_per_atom: dearer minus cheaper level, [m].
        sizes: the five standard deviations, see `USUAL`.
    """

    fractions: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, MAX_Z + 1)))
    below_ev_per_atom: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    difference_ev_per_atom: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    sizes: NDArray[np.float64] = field(default_factory=lambda: np.exp(USUAL))

    @classmethod
    def fitted(
        cls,
        counts: NDArray[np.integer],
        below_ev_per_atom: NDArray[np.float64],
        difference_ev_per_atom: NDArray[np.float64],
    ) -> LevelDifference:
        """Fit to outcomes: atom counts [m, MAX_Z + 1], decomposition energies below and dearer minus cheaper, [m]."""
        known = np.flatnonzero(np.isfinite(difference_ev_per_atom) & np.isfinite(below_ev_per_atom))[-MOST:]
        if not len(known):
            return cls()
        fractions, below = atomic_fractions(counts[known]), np.asarray(below_ev_per_atom, dtype=np.float64)[known]
        difference = _cut(np.asarray(difference_ev_per_atom, dtype=np.float64)[known])
        parts = _parts(fractions, below, fractions, below)

        def surprise(log: NDArray[np.float64]) -> float:
            factor = _factor(parts, np.exp(log))
            fit = difference @ cho_solve(factor, difference) / 2 + np.log(np.diagonal(factor[0])).sum()
            return float(fit + (((log - USUAL) / SURE) ** 2).sum() / 2)

        sizes = np.exp(minimize(surprise, USUAL, method="L-BFGS-B", bounds=[(u - 3, u + 2) for u in USUAL]).x)
        return cls(fractions, below, difference, sizes)

    def __call__(
        self, counts: NDArray[np.integer], below_ev_per_atom: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the decomposition energy at the dearer level, eV/atom, [n] each."""
        fractions, below = atomic_fractions(counts), np.asarray(below_ev_per_atom, dtype=np.float64)
        # The covariance of each with itself.
        alone = np.stack([np.ones(len(below)), (fractions**2).sum(axis=1), np.ones(len(below)), below**2])
        mean, variance = below, self.sizes[:4] ** 2 @ alone
        if len(self.difference_ev_per_atom):
            across = _covariance(_parts(fractions, below, self.fractions, self.below_ev_per_atom), self.sizes)
            own = _parts(self.fractions, self.below_ev_per_atom, self.fractions, self.below_ev_per_atom)
            factor = _factor(own, self.sizes)
            mean = below + across @ cho_solve(factor, self.difference_ev_per_atom)
            variance = np.maximum(variance - (across * cho_solve(factor, across.T).T).sum(axis=1), 0.0)
        return mean, np.sqrt(variance + self.sizes[-1] ** 2)

    def p_stable(self, counts: NDArray[np.integer], below_ev_per_atom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability to be on the hull of the dearer level, [n]."""
        mean, sigma = self(counts, below_ev_per_atom)
        return np.asarray(ndtr((STABLE_EV_PER_ATOM - mean) / sigma))


def _cut(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences with those far from their median brought nearer, [m]."""
    centre = float(np.median(difference))
    typical = float(np.median(np.abs(difference - centre))) / 0.6745
    reach = max(FURTHEST * typical, ALWAYS_EV_PER_ATOM)
    return np.clip(difference, centre - reach, centre + reach)


def _parts(
    a: NDArray[np.float64], below_a: NDArray[np.float64], b: NDArray[np.float64], below_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the four parts of the covariance at size 1, [4, n, m]."""
    alike = np.exp(-cdist(a, b, "sqeuclidean") / (2 * REACH**2))
    return np.stack([np.ones_like(alike), a @ b.T, alike, np.outer(below_a, below_b)])


def _covariance(parts: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.tensordot(sizes[:4] ** 2, parts, axes=1))


def _factor(parts: NDArray[np.float64], sizes: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return the Cholesky factor of the outcomes' covariance, their own scatter included."""
    covariance = _covariance(parts, sizes)
    covariance[np.diag_indices_from(covariance)] += sizes[-1] ** 2
    factor: tuple[NDArray[np.float64], bool] = cho_factor(covariance, lower=True)
    return factor
