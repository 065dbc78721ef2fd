"""Predicting what is to be picked from: a cheap look at every candidate, and the whole ensemble where it can matter.

A pass refines the last one's predictions in the order of their promise. How far the last one was off is learnt from
those refined so far, and the pass ends when no other could, at its luckiest, still come among the picked. The passes:

    1. two members, each at one volume (the lowest and the highest of the scan), for all;
    2. all members at three volumes;
    3. all members at the volumes about the lowest point, until both its neighbours in the scan are known: the minimum
       of the whole scan wherever the median curve has no second valley between two of the three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import CrystalBatch
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.calibrate import IQR_PER_SIGMA

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SIGMAS_OF_LUCK = 2.33
"""A prediction of the last pass may be too high by so many standard deviations of its error: one in a hundred is."""
FEWEST_VOLUMES = 6
"""A scan of fewer has nothing to save."""
CRYSTALS_AT_ONCE = 2_000
"""Graphs are built for so many crystals at a time."""


class Energies(Protocol):
    """What the cascade needs of an `Ensemble`: energies of crystals at volume factors, [members, n_factors, n]."""

    def __call__(
        self, crystals: CrystalBatch, factors: Floats, members: list[int] | None = None, threads: int = 1
    ) -> Floats: ...


class Score(Protocol):
    """How willingly candidates are picked, higher first, [k]: of indices [k], energies and spreads, eV/atom."""

    def __call__(self, which: Indices, e_form_ev_per_atom: Floats, spread_ev_per_atom: Floats) -> Floats: ...


def cascade(
    energies: Energies,
    n_members: int,
    crystals: CrystalBatch,
    factors: Floats,
    score: Score,
    compositions: Indices,
    picked: int,
    per_composition: int = 1,
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[Floats, Floats]:
    """Formation energies and spreads, eV/atom, [n] each (NaN where there is none).

    What is refined to the end has the values of the whole ensemble at all volumes. The rest keeps its last values,
    and its spread holds the error of the pass it stopped at beside the members' own.

    Args:
        factors: volumes of the whole scan, [n_factors], rising.
        compositions: [n]; of equal ones `per_composition` can be picked.
        picked: how many are picked in the end.
    """
    n = len(crystals)
    e_form, spread = _first_look(energies, n_members, crystals, factors, threads, progress)
    curves: dict[int, Floats] = {}
    coarse = np.unique([0, len(factors) // 2 - 1 + len(factors) % 2, len(factors) - 1])

    def coarsely(which: Indices) -> tuple[Floats, Floats]:
        found = np.full((n_members, len(factors), len(which)), np.nan)
        found[:, coarse] = energies(crystals.take(which), factors[coarse], None, threads)
        curves.update(zip(which.tolist(), found.transpose(2, 0, 1).astype(np.float32), strict=True))
        return _lowest(found)

    def finely(which: Indices) -> tuple[Floats, Floats]:
        found = np.stack([curves.pop(i) for i in which.tolist()], axis=2).astype(np.float64)
        _descend(lambda some, f: energies(crystals.take(which[some]), f, None, threads), factors, found)
        return _lowest(found)

    reached = np.zeros(n, dtype=np.int64)
    errors = []
    for level, refine in enumerate((coarsely, finely), 1):
        pool = np.flatnonzero((reached == level - 1) & np.isfinite(e_form))
        errors.append(_refine(pool, refine, e_form, spread, reached, score, compositions, picked, per_composition))
        progress("predict", n, n, f"{int((reached == level).sum())} refined")
    typical = float(np.median(spread[reached > 0])) if (reached > 0).any() else 0.0
    unrefined = np.isfinite(e_form) & (reached == 0)
    spread[unrefined] = np.hypot(typical, IQR_PER_SIGMA * errors[0])
    spread[reached == 1] = np.hypot(spread[reached == 1], IQR_PER_SIGMA * errors[1])
    return e_form, spread


def _first_look(
    energies: Energies, n_members: int, crystals: CrystalBatch, factors: Floats, threads: int, progress: Progress
) -> tuple[Floats, Floats]:
    e_form = np.full(len(crystals), np.nan)
    looks = [(0, factors[:1]), (min(1, n_members - 1), factors[-1:])]
    for start in range(0, len(crystals), CRYSTALS_AT_ONCE):
        block = np.arange(start, min(start + CRYSTALS_AT_ONCE, len(crystals)))
        some = crystals.take(block)
        seen = [energies(some, factor, [member], threads)[0, 0] for member, factor in looks]
        e_form[block] = np.fmin(*seen)
        progress("predict", int(block[-1]) + 1, len(crystals), "first look")
    return e_form, np.where(np.isfinite(e_form), 0.0, np.nan)


def _refine(
    pool: Indices,
    refine: Callable[[Indices], tuple[Floats, Floats]],
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
    error, luckiest, tightest = 0.0, 0.0, 0.0
    batch = max(picked, 16)
    while open_.any():
        left = np.flatnonzero(open_)
        lucky = score(pool[left], last[left] + luckiest, np.maximum(spread[pool[left]], tightest))
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
        tightest = float(np.nanquantile(spread[pool[~open_]], 0.1)) if len(off) else 0.0
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


def _descend(energies: Callable[[Indices, Floats], Floats], factors: Floats, found: Floats) -> None:
    """Fill in volumes, [members, n_factors, n] in place, until those beside the lowest of the median are known."""
    n_factors, n = found.shape[1:]
    columns = np.arange(n)
    tried = np.isfinite(found).all(axis=0) | np.zeros((n_factors, n), dtype=bool)
    aim = _parabola(found, tried)
    while True:
        todo = aim >= 0
        if not todo.any():
            return
        some = np.flatnonzero(todo)
        found[:, aim[some], some] = energies(some, factors[aim[some]][None])[:, 0]
        tried[aim[some], some] = True
        curve = np.median(found, axis=0)
        best = np.where(np.isfinite(curve), curve, np.inf).argmin(axis=0)
        below, above = np.maximum(best - 1, 0), np.minimum(best + 1, n_factors - 1)
        aim = np.where(~tried[below, columns], below, np.where(~tried[above, columns], above, -1))


def _parabola(found: Floats, tried: NDArray[np.bool_]) -> Indices:
    """Untried volume nearest to the lowest point of the parabola through the three that are known, [n]; -1 = none."""
    n_factors, n = tried.shape
    curve = np.median(found, axis=0)
    known = np.flatnonzero(tried.any(axis=1))
    if len(known) < 3:
        aim = np.where(np.isfinite(curve), curve, np.inf).argmin(axis=0)
    else:
        x, y = known.astype(np.float64), curve[known]
        slope01, slope12 = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
        with np.errstate(all="ignore"):
            bend = (slope12 - slope01) / (x[2] - x[0])
            lowest = (x[0] + x[1]) / 2 - slope01 / (2 * bend)
        end = x[np.where(np.isfinite(y), y, np.inf).argmin(axis=0)]
        aim = np.rint(np.where((bend > 0) & np.isfinite(lowest), np.clip(lowest, 0, n_factors - 1), end)).astype(int)
    distance = np.abs(np.arange(n_factors)[:, None] - aim) + np.where(tried, np.inf, 0.0)
    nearest = distance.argmin(axis=0)
    return np.where(np.isfinite(distance[nearest, np.arange(n)]), nearest, -1)


def _lowest(found: Floats) -> tuple[Floats, Floats]:
    from gnome_lite.predict.ensemble import lowest_of_median

    return lowest_of_median(found)
