"""Formation energies, and a check for absurd elemental references."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import reduced_formula, symbol
from gnome_lite.core.errors import MissingReferenceError

E_FORM_LIMIT_EV_PER_ATOM = 10.0
"""No real compound lies further from its elements: a phase beyond this is never part of a hull."""

E_FORM_PER_FRACTION_LIMIT_EV = 20.0
"""If compounds with at least a quarter of an element lie further off than this, the element's reference is wrong."""


def formation_energies(
    counts: NDArray[np.int64], energies_ev: ArrayLike, elemental_ev_per_atom: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return formation energies against elemental references of the same level.

    Args:
        counts: atoms by atomic number, [n, MAX_Z + 1].
        energies_ev: energy of each cell, eV, [n].
        elemental_ev_per_atom: reference energy of each element, by symbol.

    Returns:
        Formation energy, eV/atom, [n].

    Raises:
        MissingReferenceError: if an element has no reference.
    """
    reference = np.zeros(counts.shape[1])
    for z in np.flatnonzero(counts.any(axis=0)):
        if symbol(z) not in elemental_ev_per_atom:
            example = reduced_formula(counts[np.flatnonzero(counts[:, z])[0]])
            raise MissingReferenceError(
                f"no elemental reference energy for {symbol(z)} (needed by {example}): "
                f"add a crystal of pure {symbol(z)} at this level to the sources"
            )
        reference[z] = elemental_ev_per_atom[symbol(z)]
    return (np.asarray(energies_ev, dtype=np.float64) - counts @ reference) / counts.sum(axis=1)


def absurd_element(
    counts: NDArray[np.int64], energies_ev: NDArray[np.float64], elemental_ev_per_atom: Mapping[str, float]
) -> tuple[str, float] | None:
    """Find an element whose reference energy cannot be right: -100 eV/atom would put Li2O 62 eV/atom above the hull.

    Args:
        counts: atoms by atomic number, [n, MAX_Z + 1].
        energies_ev: energy of each cell, eV, [n].
        elemental_ev_per_atom: reference energy of each element, by symbol.

    Returns:
        Its symbol and the median formation energy of its compounds, eV per atom of it; None if all are sane.
    """
    n_atoms = counts.sum(axis=1)
    reference = np.full(counts.shape[1], np.nan)
    for z in np.flatnonzero(counts.any(axis=0)):
        reference[z] = elemental_ev_per_atom.get(symbol(z), np.nan)
    known = np.isfinite(reference)
    compounds = (counts[:, known] > 0).sum(axis=1) > 1
    compounds &= ~(counts[:, ~known] > 0).any(axis=1)
    e_form = (energies_ev - counts[:, known] @ reference[known]) / n_atoms
    absurd: dict[int, float] = {}
    for z in np.flatnonzero(known):
        fraction = counts[:, z] / n_atoms
        rich = compounds & (fraction >= 0.25)
        off = float(np.median(e_form[rich] / fraction[rich])) if rich.any() else 0.0
        if abs(off) > E_FORM_PER_FRACTION_LIMIT_EV:
            absurd[int(z)] = off
    if not absurd:
        return None
    worst = max(absurd, key=lambda k: abs(float(reference[k])))  # in Li2O alone both elements look wrong
    return symbol(worst), absurd[worst]
