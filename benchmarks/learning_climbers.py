"""Who climbs to a dearer level: finds of the shipped labelled pool (CHGNet), with SevenNet-l3i5 as the dear truth.

Finds arrive by turns in random order; each round a few of those that wait are computed at the dearer level. A hit is on
the hull there. "Who survived" takes those on the hull of the level below as they come.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, missing
from benchmarks.sizes import Effort, size
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.evaluation.higher_truth import HigherTruth, read_higher_truth
from gnome_lite.evaluation.replay_setup import HIGHER, open_truth
from gnome_lite.predict.level_difference import LevelDifference
from gnome_lite.settings import bundled

ROUNDS, BUDGET = 10, 6
WAYS = ("P(stable) at the dearer level", "who survived", "deepest at the level below", "perfect picker")


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    path = bundled("replay", HIGHER)
    if not path.is_file():
        yield missing("who climbs", HIGHER)
        return
    truth = read_higher_truth(path, open_truth())
    below = truth.below_ev_per_atom <= STABLE_EV_PER_ATOM
    holds, on = float(truth.stable[below].mean()), int(below.sum())
    yield Row(f"of {on} finds on the hull of the level below, on the dearer one", "share", holds, None, "", None)
    seeds = size("learning_climbers.seeds", effort)
    rates = {way: np.mean([_replay(truth, way, seed) for seed in range(seeds)], axis=0) for way in WAYS}
    ours, survived, deepest, perfect = (rates[way] for way in WAYS)
    name = f"hit rate of climbers to {truth.level.split('-mp2020')[0]}, {ROUNDS} rounds of {BUDGET}, {seeds} orders"
    gain = float(ours.mean() / survived.mean())
    yield Row(name, "", float(ours.mean()), float(survived.mean()), "who survived", gain, "> 1", gain > 1)
    yield Row("the same", "", float(ours.mean()), float(deepest.mean()), "deepest below", None)
    yield Row("the same", "", float(ours.mean()), float(perfect.mean()), "perfect picker", None)
    late, early = float(ours[-ROUNDS // 2 :].mean()), float(ours[: ROUNDS // 2].mean())
    yield Row("the same, last half of the rounds", "", late, early, "first half", None, "rises", late > early)


def _replay(truth: HigherTruth, way: str, seed: int) -> list[float]:
    """Return the hit rate of each round."""
    rng = np.random.default_rng(seed)
    arriving = np.array_split(rng.permutation(len(truth.ids)), ROUNDS)
    waiting, done = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rates = []
    for new in arriving:
        waiting = np.concatenate([waiting, new])
        taken = waiting[_order(truth, way, waiting, done)][:BUDGET]
        waiting, done = np.setdiff1d(waiting, taken, assume_unique=True), np.concatenate([done, taken])
        rates.append(float(truth.stable[taken].mean()))
    return rates


def _order(truth: HigherTruth, way: str, waiting: NDArray[np.int64], done: NDArray[np.int64]) -> NDArray[np.int64]:
    below, counts = truth.below_ev_per_atom, truth.below.counts
    if way == "perfect picker":
        return np.argsort(~truth.stable[waiting], kind="stable")
    if way == "who survived":
        return np.argsort(below[waiting] > STABLE_EV_PER_ATOM, kind="stable")
    if way == "deepest at the level below":
        return np.argsort(below[waiting], kind="stable")
    outcome = truth.decomposition_ev_per_atom[done] - below[done]
    learnt = LevelDifference.fitted(counts[done], below[done], outcome)
    return np.argsort(-learnt.p_stable(counts[waiting], below[waiting]), kind="stable")
