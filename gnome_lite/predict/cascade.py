"""Predicting what is to be chosen from: a cheap look at every candidate, and the whole ensemble where it can matter.

A pass refines the last one's predictions in the order of their promise. How far the last one was off is learnt from
those refined so far, and the pass ends when the acquisition could choose none of the others any more, however lucky.
The passes:

    1. one member at the natural volume, for all;
    2. the other members there;
    3. all members at the other `ensemble.VOLUMES`;
    4. if a volume scan is asked for, all members at its volumes.

Where candidates are chosen for their spread, all members look at all candidates from the start: the most uncertain
ones are those of which a single member is most wrong (in 5,050 candidates of the replay pool the one with the largest
spread ranked last but 18 by the first member).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.pipeline import Acquisition, Progress, Scores, silent
from gnome_lite.predict.ensemble import VOLUMES, lowest_of_median, median_and_spread, volume_factors
from gnome_lite.predict.error_model import IQR_PER_SIGMA

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Refine = Callable[[Indices], tuple[Floats, Floats]]
Score = Callable[[Indices, Floats, Floats], Scores]
"""Scores of candidates by index [k], from energies and spreads, eV/atom, [k]."""

PRUNING_SIGMAS = 3.0
"""A candidate is left out when it could not be chosen even if its prediction of the last pass were too high by so many
standard deviations of the pass's errors. These have heavier tails than a normal distribution: at 2 some three in a
hundred picks are lost, at 3 one or two (`benchmarks/prediction_speed.py`)."""


class Energies(Protocol):
    """What the cascade needs of an `Ensemble`: energies of crystals at volume factors, [members, n_factors, n]."""

    def __call__(
        self,
        crystals: CrystalBatch,
        factors: Floats,
        members: Sequence[int] | None = None,
        threads: int = 1,
        progress: Progress = silent,
    ) -> Floats: ...


def cascade(
    energies: Energies,
    n_members: int,
    crystals: CrystalBatch,
    score: Score,
    acquisition: Acquisition,
    volume_scan: int = 0,
    threads: int = 1,
    progress: Progress = silent,
) -> tuple[Floats, Floats]:
    """Predict formation energies and spreads, eV/atom, [n] each (NaN where there is none).

    What is refined to the end has the values of `Ensemble.predict`. The rest keeps its last values, and its spread
    holds the error of the passes that it did not meet beside the members' own.

    Args:
        score: what the acquisition is to know of predictions.
        volume_scan: as of `Ensemble.predict`.
    """
    n, natural = len(crystals), 1
    first = list(range(n_members if acquisition.needs_spread else 1))
    seen = np.full((n_members, len(VOLUMES), n), np.nan)
    seen[: len(first), natural] = energies(crystals, VOLUMES[[natural]], first, threads, progress)[:, 0]
    e_form, spread = median_and_spread(seen[:, [natural]])

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

    passes: Sequence[Refine] = [*[members] * (n_members > len(first)), volumes, *[scan] * (volume_scan > 0)]
    reached = np.zeros(n, dtype=np.int64)
    errors = []
    for level, refine in enumerate(passes, 1):
        pool = np.flatnonzero((reached == level - 1) & np.isfinite(e_form))
        errors.append(_refine(pool, refine, e_form, spread, reached, score, acquisition))
        progress("predict", n, n, f"{int((reached >= level).sum())} refined")
    typical = float(np.median(spread[reached > 0])) if (reached > 0).any() and len(first) == 1 else 0.0
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
    acquisition: Acquisition,
) -> float:
    """Refine, in place, whatever of the pool could be chosen; return the error of the last pass's energies, eV/atom."""
    last, last_spread = e_form[pool].copy(), spread[pool].copy()
    open_ = np.ones(len(pool), dtype=bool)
    error, lowering, widening, spreads = 0.0, 0.0, 1.0, [0.0]
    while open_.any():
        left, done = np.flatnonzero(open_), pool[~open_]
        others = pool[left]
        # Whether a small spread or a large one is lucky is the acquisition's affair.
        hopes = [score(others, last[left] + lowering, np.full(len(left), s)) for s in spreads]
        wide = np.where(last_spread > 0, np.hypot(widening * last_spread, IQR_PER_SIGMA * error), np.inf)[left]
        widest = score(others, last[left] + min(lowering, 0.0), wide)
        hopes += [widest] * acquisition.needs_spread
        chosen = left[acquisition.contenders(score(done, e_form[done], spread[done]), hopes, widest)]
        if not len(chosen):
            break
        which = pool[chosen]
        e_form[which], spread[which] = refine(which)
        reached[which] += 1
        open_[chosen] = False
        off = (e_form[pool] - last)[~open_]
        off = off[np.isfinite(off)]
        error = float(np.sqrt(np.mean(off**2))) if len(off) else 0.0
        lowering = float(off.mean() - PRUNING_SIGMAS * off.std()) if len(off) else 0.0
        spreads = np.nanquantile(spread[pool[~open_]], [0.1, 0.9]).tolist() if len(off) else spreads
        told = ~open_ & (last_spread > 0) & np.isfinite(spread[pool])
        growth = spread[pool[told]] / last_spread[told]
        widening = float(growth.mean() + PRUNING_SIGMAS * growth.std()) if len(growth) else 1.0
    return error
