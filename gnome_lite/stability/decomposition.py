"""Lowest-energy mixtures of phases: the linear programme behind every decomposition.

The hull energy at a composition is the least energy of any mixture of phases that has this
composition: minimise sum(w_j e_j) over atom fractions w >= 0 with sum(w_j x_j) = x (Ong et al.,
Chem. Mater. 20, 1798 (2008)). Solved by the primal simplex method for many compositions at once, of
one chemical system or of many with as many elements: the basis of each is a set of as many phases as
there are elements, at first the elements themselves. Unlike facet enumeration this costs little in many
dimensions, and coplanar phases do it no harm: at the end the chemical potentials of the basis lie below
every phase, which proves the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mixtures = tuple[Floats, Indices, Floats]
"""Energies of mixtures, eV/atom, [q]; indices of their phases, [q, d]; the atom fractions of these, [q, d]."""

PRICE_TOLERANCE_EV_PER_ATOM = 1e-11
"""A phase at most this far below the basis' chemical potentials does not improve a mixture."""

_PIVOT = 1e-9
_CHUNK_NUMBERS = 1 << 19


def lowest_mixtures(fractions: Floats, energies: Floats, targets: Floats, start: Indices | None = None) -> Mixtures:
    """Return the lowest-energy mixture of phases at each target composition.

    Args:
        fractions: atomic fractions of the phases, [n, d], or of each target's own phases, [q, n, d]; the first d are
            the pure elements in order.
        energies: energy of each phase, eV/atom, [n], or one row for each target, [q, n]
            (inf = not available to this target; elements must be).
        targets: atomic fractions, [q, d].
        start: phases of a mixture that has each target's composition at any energies, [q, d], to begin from.

    Returns:
        Energies, phases and atom fractions, some of these zero.
    """
    n_targets, n_elements = targets.shape
    energy = np.empty(n_targets)
    basis = np.tile(np.arange(n_elements), (n_targets, 1)) if start is None else np.array(start, dtype=np.int64)
    weights = np.empty((n_targets, n_elements))
    chunk = max(16, _CHUNK_NUMBERS // (fractions.shape[-2] * (n_elements if fractions.ndim == 3 else 1)))
    for first in range(0, n_targets, chunk):
        rows = slice(first, first + chunk)
        own = energies[rows] if energies.ndim == 2 else np.broadcast_to(energies, (len(targets[rows]), len(energies)))
        phases = fractions[rows] if fractions.ndim == 3 else fractions
        _simplex(phases, own, targets[rows], basis[rows], weights[rows])
        energy[rows] = (np.take_along_axis(own, basis[rows], axis=1) * weights[rows]).sum(axis=1)
    return energy, basis, weights


def _simplex(fractions: Floats, energies: Floats, targets: Floats, basis: Indices, weights: Floats) -> None:
    """Find the phases of each mixture, basis [q, d], and their atom fractions, weights [q, d], in place."""
    n_elements = targets.shape[1]
    dantzig_steps = 20 * n_elements
    active = np.arange(len(targets))
    phases, own = fractions, energies
    for step in range(dantzig_steps + 100 * fractions.shape[-2]):
        chosen = basis[active]
        each = np.arange(len(active))
        basic = phases[each[:, None], chosen] if phases.ndim == 3 else phases[chosen]  # phases as rows, [a, d, d]
        inverse = np.linalg.inv(basic)
        amounts = np.einsum("ai,aij->aj", targets[active], inverse)
        weights[active] = amounts
        potentials = np.einsum("aij,aj->ai", inverse, np.take_along_axis(own, chosen, axis=1))
        prices = own - (phases @ potentials[:, :, None])[:, :, 0] if phases.ndim == 3 else own - potentials @ phases.T
        np.put_along_axis(prices, chosen, 0.0, axis=1)
        # The steepest price is fast; Bland's rule (the first that improves) cannot cycle at degenerate corners.
        improving = prices < -PRICE_TOLERANCE_EV_PER_ATOM
        entering = prices.argmin(axis=1) if step < dantzig_steps else improving.argmax(axis=1)
        go_on = improving[each, entering]
        if not go_on.any():
            break
        if not go_on.all():
            active, entering, amounts, inverse = active[go_on], entering[go_on], amounts[go_on], inverse[go_on]
            phases, own = (phases[go_on] if phases.ndim == 3 else phases), own[go_on]
            each = np.arange(len(active))
        entered = phases[each, entering] if phases.ndim == 3 else phases[entering]
        directions = np.einsum("ai,aij->aj", entered, inverse)
        ratios = np.full(directions.shape, np.inf)
        np.divide(np.maximum(amounts, 0.0), directions, out=ratios, where=directions > _PIVOT)
        tied = ratios <= ratios.min(axis=1, keepdims=True) + 1e-12
        if step < dantzig_steps:
            leaving = np.where(tied, directions, -np.inf).argmax(axis=1)  # the largest pivot is the most accurate
        else:
            leaving = np.where(tied, basis[active], np.iinfo(np.int64).max).argmin(axis=1)
        basis[active, leaving] = entering
    np.maximum(weights, 0.0, out=weights)
