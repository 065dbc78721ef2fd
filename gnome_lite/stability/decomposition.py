"""Lowest-energy mixtures of phases: the linear programme behind every hull distance.

The hull energy at a composition is the least energy of any mixture of phases that has this
composition: minimise sum(w_j e_j) over atom fractions w >= 0 with sum(w_j x_j) = x (Ong et al.,
Chem. Mater. 20, 1798 (2008)). Solved by the primal simplex method for many compositions at once:
the basis of each is a set of as many phases as there are elements, at first the elements themselves.
Unlike facet enumeration this costs little in many dimensions, and coplanar phases do it no harm: at
the end the chemical potentials of the basis lie below every phase, which proves the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRICE_TOLERANCE_EV_PER_ATOM = 1e-11
"""A phase at most this far below the basis' chemical potentials does not improve a mixture."""

_PIVOT = 1e-9
_CHUNK = 512


def lowest_mixtures(
    fractions: NDArray[np.float64], energies: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """The lowest-energy mixture of phases at each target composition.

    Args:
        fractions: atomic fractions of the phases, [n, d]; the first d are the pure elements in order.
        energies: energy of each phase, eV/atom, [n], or one row for each target, [q, n]
            (inf = not available to this target; elements must be).
        targets: atomic fractions, [q, d].

    Returns:
        Mixture energy, eV/atom, [q]; indices of its phases, [q, d]; their atom fractions, [q, d] (some zero).
    """
    n_targets, n_elements = targets.shape
    energy = np.empty(n_targets)
    basis = np.tile(np.arange(n_elements), (n_targets, 1))
    weights = np.empty((n_targets, n_elements))
    for start in range(0, n_targets, _CHUNK):
        rows = slice(start, start + _CHUNK)
        own = energies[rows] if energies.ndim == 2 else np.broadcast_to(energies, (len(targets[rows]), len(energies)))
        _simplex(fractions, own, targets[rows], basis[rows], weights[rows])
        energy[rows] = (np.take_along_axis(own, basis[rows], axis=1) * weights[rows]).sum(axis=1)
    return energy, basis, weights


def _simplex(
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    targets: NDArray[np.float64],
    basis: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> None:
    """Fill basis [q, d] and weights [q, d] in place."""
    n_elements = targets.shape[1]
    dantzig_steps = 20 * n_elements
    active = np.arange(len(targets))
    for step in range(dantzig_steps + 100 * len(fractions)):
        columns = fractions[basis[active]].transpose(0, 2, 1)  # phases of the basis as columns, [a, d, d]
        weights[active] = np.linalg.solve(columns, targets[active][:, :, None])[:, :, 0]
        basic = np.take_along_axis(energies[active], basis[active], axis=1)
        potentials = np.linalg.solve(columns.transpose(0, 2, 1), basic[:, :, None])[:, :, 0]
        prices = energies[active] - potentials @ fractions.T
        np.put_along_axis(prices, basis[active], 0.0, axis=1)
        # The steepest price is fast; Bland's rule (the first that improves) cannot cycle at degenerate corners.
        improving = prices < -PRICE_TOLERANCE_EV_PER_ATOM
        entering = prices.argmin(axis=1) if step < dantzig_steps else improving.argmax(axis=1)
        go_on = improving.any(axis=1)
        if not go_on.any():
            break
        active, entering, columns = active[go_on], entering[go_on], columns[go_on]
        directions = np.linalg.solve(columns, fractions[entering][:, :, None])[:, :, 0]
        ratios = np.full(directions.shape, np.inf)
        np.divide(np.maximum(weights[active], 0.0), directions, out=ratios, where=directions > _PIVOT)
        lowest = ratios.min(axis=1, keepdims=True)
        tied = ratios <= lowest + 1e-12
        if step < dantzig_steps:
            leaving = np.where(tied, directions, -np.inf).argmax(axis=1)  # the largest pivot is the most accurate
        else:
            leaving = np.where(tied, basis[active], np.iinfo(np.int64).max).argmin(axis=1)
        basis[active, leaving] = entering
    np.maximum(weights, 0.0, out=weights)
