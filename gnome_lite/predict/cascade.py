"""Predicting what is to be picked from: a cheap look at every candidate, and the whole ensemble where it can matter.

A pass refines the last one's predictions in the order of their promise. How far the last one was off is learnt from
those refined so far, and the pass ends when no other could, at its luckiest, still come among the picked. The passes:

    1. one member at the natural volume, for all;
    2. the other members there;
    3. all members at the other `ensemble.VOLUMES`;
    4. if a volume scan is asked for, all members at its volumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.ensemble import (
    CRYSTALS_AT_ONCE,
    VOLUMES,
    lowest_of_median,
    median_and_spread,
    volume_factors,
)
from gnome_lite.predict.error_model import IQR_PER_SIGMA

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Refine = Callable[[Indices], tuple[Floats, Floats]]

SIGMAS_OF_LUCK = 3.0
"""A prediction of the last pass may be too high by so many standard deviations of its error. The errors have heavier
tails than a normal distribution: at 2 some three in a hundred picks are lost, at 3 one or two (`prediction_speed.py`
among the benchmarks)."""


class Energies(Protocol):
    """What the cascade needs of an `Ensemble`: energies of crystals at volume factors, [members, n_factors, n]."""

    def __call__(
        self, crystals: CrystalBatch, factors: Floats, members: Sequence[int] | None = None, threads: int = 1
    ) -> Floats: ...


class Score(Protocol):
    """How willingly candidates are picked, higher first, [k]: of indices [k], energies and spreads, eV/atom."""

    def __call__(self, which: Indices, e_form_ev_per_atom: Floats, spread_ev_per_atom: Floats) -> Floats: ...


def cascade(
    energies: Energies,
    n_members: int,
    crystals: CrystalBatch,
    score: Score,
    compositions: Indices,
    picked: int,
    per_composition: int = 1,
    volume_scan: int = 0,
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[Floats, Floats]:
    """Formation energies and spreads, eV/atom, [n] each (NaN where there is none).

    What is refined to the end has the values of `Ensemble.predict`. The rest keeps its last values, and its spread
    holds the error of the passes that it did not meet beside the members' own.

    Args:
        compositions: [n]; of equal ones `per_composition` can be picked.
        picked: how many are picked in the end.
        volume_scan: as of `Ensemble.predict`.
    """
    n, natural = len(crystals), 1
    seen = np.full((n_members, len(VOLUMES), n), np.nan)
    for start in range(0, n, CRYSTALS_AT_ONCE):
        block = np.arange(start, min(start + CRYSTALS_AT_ONCE, n))
        seen[0, natural, block] = energies(crystals.take(block), VOLUMES[[natural]], [0], threads)[0, 0]
        progress("predict", int(block[-1]) + 1, n, "first look")
    e_form = seen[0, natural].copy()
    spread = np.where(np.isfinite(e_form), 0.0, np.nan)

    def members(which: Indices) -> tuple[Floats, Floats]:
        some = list(range(1, n_members))
        seen[1:, natural, which] = energies(crystals.take(which), VOLUMES[[natural]], some, threads)[:, 0]
        return median_and_spread(seen[:, [natural]][:, :, which])

    def volumes(which: Indices) -> tuple[Floats, Floats]:
        others = np.delete(np.arange(len(VOLUMES)), natural)
        seen[:, others[:, None], which] = energies(crystals.take(which), VOLUMES[others], None, threads)
        return median_and_spread(seen[:, :, which])

    def scan(which: Indices) -> tuple[Floats, Floats]:
        found = energies(crystals.take(which), volume_factors(volume_scan), None, threads)
        return lowest_of_median(found), spread[which]

    passes: Sequence[Refine] = [*[members] * (n_members > 1), volumes, *[scan] * (volume_scan > 0)]
    reached = np.zeros(n, dtype=np.int64)
    errors = []
    for level, refine in enumerate(passes, 1):
        pool = np.flatnonzero((reached == level - 1) & np.isfinite(e_form))
        errors.append(_refine(pool, refine, e_form, spread, reached, score, compositions, picked, per_composition))
        progress("predict", n, n, f"{int((reached >= level).sum())} refined")
    typical = float(np.median(spread[reached > 0])) if (reached > 0).any() else 0.0
    for level in range(len(passes)):
        some = np.isfinite(e_form) & (reached == level)
        own = np.maximum(spread[some], typical) if level == 0 else spread[some]
        spread[some] = np.hypot(own, IQR_PER_SIGMA * np.sqrt(np.sum(np.square(errors[level:]))))
    return e_form, spread


def _refine(
    pool: Indices,
    refine: Refine,
    e_form: Floats,
    spread: Floats,
    reached: Indices,
    score: Score,
    compositions: Indices,
    picked: int,
    per_composition: int,
) -> float:
    """Refine, in place, whatever of the pool can be picked; the error of the last pass's energies, eV/atom."""
    last = e_form[pool].copy()
    open_ = np.ones(len(pool), dtype=bool)
    error, luckiest, spreads = 0.0, 0.0, [0.0]
    batch = max(picked, 16)
    while open_.any():
        left = np.flatnonzero(open_)
        # Whether a small spread or a large one is lucky is the score's affair.
        lucky = np.max([score(pool[left], last[left] + luckiest, np.full(len(left), s)) for s in spreads], axis=0)
        done = pool[~open_]
        bar = _last_picked(score(done, e_form[done], spread[done]), compositions[done], picked, per_composition)
        order = np.argsort(-lucky, kind="stable")
        chosen = left[order[lucky[order] >= bar]][:batch]
        if not len(chosen):
            break
        which = pool[chosen]
        e_form[which], spread[which] = refine(which)
        reached[which] += 1
        open_[chosen] = False
        off = (e_form[pool] - last)[~open_]
        off = off[np.isfinite(off)]
        error = float(np.sqrt(np.mean(off**2))) if len(off) else 0.0
        luckiest = float(off.mean() - SIGMAS_OF_LUCK * off.std()) if len(off) else 0.0
        spreads = np.nanquantile(spread[pool[~open_]], [0.1, 0.9]).tolist() if len(off) else spreads
    return error


def _last_picked(scores: Floats, compositions: Indices, picked: int, per_composition: int) -> float:
    """Score of the last that would be picked now; -inf while there are too few."""
    order = np.argsort(-scores, kind="stable")
    taken: dict[int, int] = {}
    count = 0
    for i in order:
        c = int(compositions[i])
        taken[c] = taken.get(c, 0) + 1
        if taken[c] <= per_composition and np.isfinite(scores[i]):
            count += 1
            if count == picked:
                return float(scores[i])
    return -np.inf
