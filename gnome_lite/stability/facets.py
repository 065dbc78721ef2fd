"""The lower hull of one chemical system as the chemical potentials of its facets.

A convex function is the greatest of the planes below it: with mu_f the chemical potentials of facet f, the hull
energy at a composition x is max over f of mu_f . x. So a system is enumerated once (Qhull; Barber et al., ACM
Trans. Math. Softw. 22, 469 (1996)), and any number of compositions then cost one matrix product. Every enumeration
is checked: no phase lies below a facet, and the facets tile the composition simplex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.stability.decomposition import Floats, Indices, Mixtures

BELOW_ELEMENTS_EV_PER_ATOM = 1e-10
"""Phases less than this below the plane of the elements are mixtures of them, not corners."""

_UPRIGHT, _FLAT = 1e-9, 1e-9
_FEASIBLE_EV_PER_ATOM, _TILED = 1e-9, 1e-7
_CHUNK_NUMBERS = 1 << 20

_QHULL_OPTIONS = ("Qt Q0 Q5 E1e-12", "Qt")
"""Without merging of nearly coplanar facets first: up to three times as fast, and seldom refused by the check. With
Qhull's own estimate of the roundoff it would find the walls over the simplex' edges concave one time in ten (to go on
all the same, its Po, ends the whole process at worst)."""


@dataclass(frozen=True, slots=True, eq=False)
class LowerHull:
    """f facets of a system of d elements. Build with `lower_hull`.

    Attributes:
        potentials: chemical potentials of the elements on each facet, eV/atom, [f, d].
        corners: indices of the phases at the corners of each facet, [f, d].
        fractions: atomic fractions of the phases, [n, d].
    """

    potentials: Floats
    corners: Indices
    fractions: Floats

    def energies(self, targets: Floats) -> Floats:
        """Return the hull energy at atomic fractions [q, d], eV/atom, [q]."""
        chunk = max(64, _CHUNK_NUMBERS // len(self.potentials))
        if len(targets) <= chunk:
            return (self.potentials @ targets.T).max(axis=0)
        return np.concatenate([self.energies(targets[i : i + chunk]) for i in range(0, len(targets), chunk)])

    def mixtures(self, targets: Floats) -> Mixtures:
        """Return the equilibrium mixtures at atomic fractions [q, d].

        Atom fractions of phases are NaN where coplanar facets hide which of them a composition lies in.
        """
        values: Floats = targets @ self.potentials.T
        best = values.argmax(axis=1)
        squares = self.fractions[self.corners[best]]
        weights = np.linalg.solve(squares.transpose(0, 2, 1), targets[:, :, None])[:, :, 0]
        inside = weights.min(axis=1, keepdims=True) >= -_FLAT
        weights = np.where(inside, np.maximum(weights, 0.0), np.nan)
        return values[np.arange(len(targets)), best], self.corners[best], weights


def lower_hull(fractions: Floats, energies: Floats) -> LowerHull | None:
    """Enumerate the facets of one system, as `lower_hulls` does."""
    return lower_hulls(fractions, energies, [len(energies)])[0]


def lower_hulls(fractions: Floats, energies: Floats, sizes: Sequence[int]) -> list[LowerHull | None]:
    """Enumerate the facets of s systems of d elements; None for each that fails its check.

    Args:
        fractions: atomic fractions of the phases, one system after the other, [n, d]; in each the first d are the pure
            elements in order.
        energies: energy of each phase, eV/atom, [n].
        sizes: how many phases each system has, [s].
    """
    n_elements = fractions.shape[1]
    stops = np.cumsum(sizes)
    starts = stops - sizes
    pure = starts[:, None] + np.arange(n_elements)
    elemental = energies[pure]
    relative = energies - np.einsum("nd,nd->n", fractions, np.repeat(elemental, sizes, axis=0))
    below = relative < -BELOW_ELEMENTS_EV_PER_ATOM
    below[pure] = True
    kept = np.flatnonzero(below)
    points, depths = fractions[kept], relative[kept]
    cuts = np.searchsorted(kept, [starts, stops]).T.tolist()
    hulls: dict[int, LowerHull] = {}
    for options in _QHULL_OPTIONS:
        missing = [k for k in range(len(cuts)) if k not in hulls]
        found = _enumerate(points, depths, [slice(*cuts[k]) for k in missing], options)
        for k, facets in zip(missing, found, strict=True):
            if facets is not None:
                whole = fractions[starts[k] : stops[k]]
                hulls[k] = LowerHull(facets[0] + elemental[k], kept[facets[1]] - starts[k], whole)
    return [hulls.get(k) for k in range(len(cuts))]


def _enumerate(
    points: Floats, depths: Floats, systems: Sequence[slice], options: str
) -> list[tuple[Floats, Indices] | None]:
    """Return potentials [f, d] and corners [f, d] of each system, None for one that fails its check.

    The phases lie on or below their elements, which come first, at zero. All but Qhull is one array operation for all.
    """
    if not systems:
        return []
    # The plane of the elements closes the hull from above: no roof is needed.
    coordinates = np.concatenate([points[:, 1:], depths[:, None]], axis=1)
    planes, simplices = zip(*(_qhull(coordinates[of], options) for of in systems), strict=True)
    n_facets = list(map(len, planes))
    system = np.repeat(np.arange(len(systems)), n_facets)
    equations = np.concatenate(planes)
    corners = np.concatenate(simplices) + np.repeat([of.start for of in systems], n_facets)[:, None]
    areas = np.abs(np.linalg.det(points[corners]))
    # Coplanar phases and the walls over the simplex' edges leave facets without area: nothing rests on them.
    real = np.flatnonzero((equations[:, -2] < -_UPRIGHT) & (areas > _FLAT))
    system, equations, corners = system[real], equations[real], corners[real]
    # A facet n_x . x + n_e e + b = 0 is the line of energies e = -(n_x . x + b) / n_e, x without the first element.
    equations /= -equations[:, -2:-1]
    potentials = equations[:, [-1, *range(points.shape[1] - 1)]]
    potentials[:, 1:] += potentials[:, :1]
    tiled = np.abs(np.bincount(system, areas[real], len(systems)) - 1.0) <= _TILED
    ends = np.cumsum(np.bincount(system, minlength=len(systems))).tolist()
    found: list[tuple[Floats, Indices] | None] = []
    for of, start, stop, whole in zip(systems, [0, *ends], ends, tiled.tolist(), strict=False):
        own = potentials[start:stop]
        feasible = whole and (depths[of] - own @ points[of].T).min() >= -_FEASIBLE_EV_PER_ATOM
        found.append((own, corners[start:stop]) if feasible else None)
    return found


def _qhull(coordinates: Floats, options: str) -> tuple[Floats, NDArray[np.int32]]:
    """Return planes [f, d + 1] and corners [f, d] of the convex hull of points [n, d], none if they are nearly flat."""
    from scipy.spatial import ConvexHull, QhullError

    n_points, n_elements = coordinates.shape
    if n_points == n_elements:
        level = np.zeros((1, n_elements + 1))
        level[0, -2] = -1.0
        return level, np.arange(n_elements, dtype=np.int32)[None]
    try:
        hull = ConvexHull(coordinates, qhull_options=options)
    except QhullError:
        return np.empty((0, n_elements + 1)), np.empty((0, n_elements), np.int32)
    return hull.equations, hull.simplices
