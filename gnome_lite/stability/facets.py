"""The lower hull of one chemical system as the chemical potentials of its facets.

A convex function is the greatest of the planes below it: with mu_f the chemical potentials of facet f, the hull
energy at a composition x is max over f of mu_f . x. So a system is enumerated once (Qhull; Barber et al., ACM
Trans. Math. Softw. 22, 469 (1996)), and any number of compositions then cost one matrix product. Every enumeration
is checked: no phase lies below a facet, and the facets tile the composition simplex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BELOW_ELEMENTS_EV_PER_ATOM = 1e-10
"""Phases less than this below the plane of the elements are mixtures of them, not corners."""

_UPRIGHT, _FLAT = 1e-9, 1e-9
_FEASIBLE_EV_PER_ATOM, _TILED = 1e-9, 1e-7
_CHUNK_NUMBERS = 1 << 20

_QHULL_OPTIONS = ("Qt Q0 Q5", "Qt")
"""Without merging of nearly coplanar facets first: up to three times as fast, and seldom refused by the check."""


@dataclass(frozen=True, slots=True, eq=False)
class LowerHull:
    """f facets of a system of d elements. Build with `lower_hull`.

    Attributes:
        potentials: chemical potentials of the elements on each facet, eV/atom, [f, d].
        corners: indices of the phases at the corners of each facet, [f, d].
        fractions: atomic fractions of the phases, [n, d].
    """

    potentials: NDArray[np.float64]
    corners: NDArray[np.int64]
    fractions: NDArray[np.float64]

    def energies(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Hull energy at atomic fractions [q, d], eV/atom, [q]."""
        chunk = max(64, _CHUNK_NUMBERS // len(self.potentials))
        if len(targets) <= chunk:
            return (targets @ self.potentials.T).max(axis=1)
        return np.concatenate([self.energies(targets[i : i + chunk]) for i in range(0, len(targets), chunk)])

    def mixtures(
        self, targets: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """What atomic fractions [q, d] consist of in equilibrium.

        Returns:
            Hull energy, eV/atom, [q]; indices of the phases, [q, d]; their atom fractions, [q, d], NaN where coplanar
            facets hide which of them it lies in.
        """
        values: NDArray[np.float64] = targets @ self.potentials.T
        best = values.argmax(axis=1)
        squares = self.fractions[self.corners[best]]
        solved = np.linalg.solve(squares.transpose(0, 2, 1), targets[:, :, None])[:, :, 0]
        weights = np.asarray(solved, dtype=np.float64)
        inside = weights.min(axis=1) >= -_FLAT
        weights = np.where(inside[:, None], np.maximum(weights, 0.0), np.nan)
        return values[np.arange(len(targets)), best], self.corners[best], weights


def lower_hull(fractions: NDArray[np.float64], energies: NDArray[np.float64]) -> LowerHull | None:
    """Enumerate the facets; None where that fails its check.

    Args:
        fractions: atomic fractions of the phases, [n, d]; the first d are the pure elements in order.
        energies: energy of each phase, eV/atom, [n].
    """
    n_elements = fractions.shape[1]
    elemental = energies[:n_elements]
    relative = energies - fractions @ elemental
    inner = np.flatnonzero(relative < -BELOW_ELEMENTS_EV_PER_ATOM)
    kept = np.concatenate([np.arange(n_elements), inner])
    points, depths = fractions[kept], relative[kept]
    if not len(inner):
        flat = np.zeros((1, n_elements)), np.arange(n_elements)[None]
        return LowerHull(flat[0] + elemental, flat[1], fractions)
    for options in _QHULL_OPTIONS:
        found = _enumerate(points, depths, options)
        if found is not None:
            potentials, corners = found
            areas = np.abs(np.linalg.det(points[corners]))
            # Coplanar phases and the walls over the simplex' edges leave facets without area: nothing rests on them.
            real = areas > _FLAT
            potentials, corners = potentials[real], corners[real]
            feasible = (depths - potentials @ points.T).min(initial=0.0) >= -_FEASIBLE_EV_PER_ATOM
            if feasible and abs(areas[real].sum() - 1.0) <= _TILED:
                return LowerHull(potentials + elemental, kept[corners], fractions)
    return None


def _enumerate(
    points: NDArray[np.float64], depths: NDArray[np.float64], options: str
) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Potentials [f, d] and corners [f, d] of phases on or below the elements, which come first and are at zero."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        # The plane of the elements closes the hull from above: no roof is needed.
        hull = ConvexHull(np.concatenate([points[:, 1:], depths[:, None]], axis=1), qhull_options=options)
    except QhullError:  # all but flat
        return None
    # A facet n_x . x + n_e e + b = 0 is the line of energies e = -(n_x . x + b) / n_e, x without the first element.
    downward = np.flatnonzero(hull.equations[:, -2] < -_UPRIGHT)
    planes = hull.equations[downward]
    planes /= -planes[:, -2:-1]
    potentials = planes[:, [-1, *range(points.shape[1] - 1)]]
    potentials[:, 1:] += potentials[:, :1]
    return potentials, hull.simplices[downward].astype(np.int64)
