"""Probability of being on the hull when all energies, those of competing phases included, are uncertain.

Every energy is drawn again, many times, from a normal distribution around its value; each draw is a hull of its own,
and of each the decomposition energy of an entry relative to its other phases is worked out. An entry is on the hull
where that is not positive. The mixture that is best without errors has the right composition at any energies, so each
draw's linear programme starts there and is mostly done at once.

Errors of a calculator are not independent: what is wrong with an element or with a class of bonds is wrong in all
phases that have it, and mostly cancels in their differences (Hautier et al., Phys. Rev. B 85, 155208 (2012)). Such
errors are given as factors that entries share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnome_lite.core.errors import ConfigError
from gnome_lite.core.formation import E_FORM_LIMIT_EV_PER_ATOM
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.stability.decomposition import Floats, Indices, lowest_mixtures
from gnome_lite.stability.hull import ChemicalHull
from gnome_lite.stability.system_index import Elements, by_system, fractions_of

REACH = 6.0
"""Phases this many standard deviations above the hull are left out: one in a billion draws would need them."""

_CHUNK_NUMBERS = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class VerdictUncertainty:
    """Results for q entries over all draws.

    Attributes:
        p_on_hull: share of draws in which the entry is on the hull, 0..1, [q].
        decomposition_ev_per_atom: mean of the decomposition energy, [q] (0 where there is no other phase).
        spread_ev_per_atom: its standard deviation, [q].
    """

    p_on_hull: Floats
    decomposition_ev_per_atom: Floats
    spread_ev_per_atom: Floats


def verdict_uncertainty(
    hull: ChemicalHull,
    entry_ids: Sequence[str],
    sigma_ev_per_atom: ArrayLike,
    rng: np.random.Generator,
    shared_ev_per_atom: ArrayLike | None = None,
    draws: int = 400,
) -> VerdictUncertainty:
    """Sample the verdicts of entries.

    Args:
        hull: entries with their energies.
        entry_ids: entries to judge, [q].
        sigma_ev_per_atom: standard deviation of each energy's own error, eV/atom, of all entries in the order of
            `hull.ids`, [n], or one for all.
        rng: the same gives the same draws.
        shared_ev_per_atom: what one standard deviation of each of k shared errors adds to each entry, eV/atom, [n, k].
            A column that is linear in the atomic fractions, such as an error of one element, cancels.
        draws: how many.

    Raises:
        ConfigError: if a standard deviation is negative or not finite, or shapes do not fit.
        ValueError: if an id is not an entry, or one that was refused for its energy.
    """
    sigma, shared = _checked(len(hull.ids), sigma_ev_per_atom, shared_ev_per_atom, draws)
    entries = hull.indices(entry_ids)
    absurd = ~(np.abs(hull.e_form_ev_per_atom[entries]) <= E_FORM_LIMIT_EV_PER_ATOM)
    if absurd.any():
        raise ValueError(f"{entry_ids[np.flatnonzero(absurd)[0]]} was refused for its energy: it has no probability")
    p_on_hull, mean, spread = (np.empty(len(entries)) for _ in range(3))
    common = rng.standard_normal((draws, shared.shape[1]))
    seed = int(rng.integers(2**63))
    for elements, rows in by_system(hull.counts[entries]):
        of_system = np.random.default_rng([seed, *elements])  # whatever else is asked for
        away = _draw(hull, elements, entries[rows], sigma, shared, common, of_system)
        p_on_hull[rows] = (away <= STABLE_EV_PER_ATOM).mean(axis=1)
        mean[rows], spread[rows] = away.mean(axis=1), away.std(axis=1)
    return VerdictUncertainty(p_on_hull, mean, spread)


def _draw(
    hull: ChemicalHull, elements: Elements, entries: Indices, sigma: Floats, shared: Floats, common: Floats,
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Return decomposition energies of entries [q] of one system in each draw, eV/atom, [q, draws]."""
    inside = hull.inside(elements)
    # Drawn for all before some are left out: the draws of one entry do not depend on which others are asked for.
    energies = hull.e_form_ev_per_atom[inside] + common @ shared[inside].T
    energies += rng.standard_normal(energies.shape) * sigma[inside]
    kept = _within_reach(hull, elements, inside, entries, np.hypot(sigma, np.linalg.norm(shared, axis=1))[inside])
    phases, energies = inside[kept], energies[:, kept]
    fractions = fractions_of(hull.counts, phases, elements)
    columns = np.argmax(phases == entries[:, None], axis=1)
    away = np.empty((len(entries), len(common)))
    if len(elements) == 1:
        for row, itself in zip(away, columns, strict=True):
            others = np.delete(energies, itself, axis=1)
            row[:] = energies[:, itself] - (others.min(axis=1) if others.shape[1] else energies[:, itself])
        return away
    block = max(1, _CHUNK_NUMBERS // energies.size)
    for first in range(0, len(entries), block):
        of = columns[first : first + block]
        each = np.arange(len(of))
        without = np.repeat(energies[None], len(of), axis=0)
        without[each, :, of] = np.inf
        targets = fractions[of]
        _, start, _ = lowest_mixtures(fractions, without.mean(axis=1), targets)
        lowest, _, _ = lowest_mixtures(
            fractions, without.reshape(-1, len(phases)), *(np.repeat(a, len(common), axis=0) for a in (targets, start))
        )
        away[first : first + block] = energies[:, of].T - lowest.reshape(len(of), -1)
    return away


def _within_reach(hull: ChemicalHull, elements: Elements, inside: Indices, entries: Indices, sigma: Floats) -> Indices:
    """Return which of `inside` [n] errors might bring onto the hull, and the entries; pure elements first."""
    counts = hull.counts[inside]
    above = hull.distances(counts, hull.e_form_ev_per_atom[inside])
    near = above <= REACH * (sigma + sigma[above <= STABLE_EV_PER_ATOM].max())
    alone = (counts > 0).sum(axis=1) == 1
    # One phase of each element must come first, in the order of elements; further polymorphs count as any phase.
    pure = [int(np.flatnonzero(alone & near & (counts[:, z] > 0))[0]) for z in elements]
    return np.concatenate([pure, np.setdiff1d(np.flatnonzero(near | np.isin(inside, entries)), pure)])


def _checked(
    n: int, sigma_ev_per_atom: ArrayLike, shared_ev_per_atom: ArrayLike | None, draws: int
) -> tuple[Floats, Floats]:
    """Return standard deviations [n] and shared errors [n, k]."""
    sigma = np.asarray(sigma_ev_per_atom, dtype=np.float64)
    shared = np.zeros((n, 0)) if shared_ev_per_atom is None else np.asarray(shared_ev_per_atom, dtype=np.float64)
    if sigma.shape not in ((), (n,)) or shared.ndim != 2 or len(shared) != n:
        raise ConfigError(
            f"standard deviations of shape {list(sigma.shape)} and shared errors of {list(shared.shape)} do not fit a "
            f"hull of {n} entries: give [{n}] and [{n}, k]"
        )
    if not (np.isfinite(sigma).all() and (sigma >= 0).all() and np.isfinite(shared).all()):
        raise ConfigError("a standard deviation is negative or not finite: give eV/atom, 0 where an energy is exact")
    if draws < 1:
        raise ConfigError(f"{draws} draws: take at least one, 400 give a probability to 0.025")
    return np.broadcast_to(sigma, (n,)), shared
