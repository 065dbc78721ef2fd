"""Acquisition: which candidates are worth a verification. Pure functions of scores and a seeded rng.

Scores are parallel arrays [n] by name: "p_stable" (0..1), "e_above_hull" (signed, eV/atom), "spread"
(eV/atom) and "formula" (reduced formulas).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.config import Selection

Scores = Mapping[str, NDArray[Any]]
Indices = NDArray[np.int64]


def by_p_stable(scores: Scores, rng: np.random.Generator) -> Indices:
    """Most probably stable first; ties (many zeros) by predicted distance to the hull."""
    return np.lexsort((scores["e_above_hull"], -scores["p_stable"]))


def greedy(scores: Scores, rng: np.random.Generator) -> Indices:
    """Lowest predicted distance to the hull first, as GNoME ranked."""
    return np.argsort(scores["e_above_hull"], kind="stable")


def at_random(scores: Scores, rng: np.random.Generator) -> Indices:
    """No model at all: the baseline."""
    return rng.permutation(len(scores["p_stable"]))


STRATEGIES: dict[str, Callable[[Scores, np.random.Generator], Indices]] = {
    "p_stable": by_p_stable,
    "greedy": greedy,
    "random": at_random,
}


def select(scores: Scores, rng: np.random.Generator, config: Selection) -> tuple[Indices, Indices]:
    """Choose candidates for verification and a random control from the same pool.

    Of one composition at most `config.per_composition` are chosen, the best ranked. Candidates within
    `config.e_above_hull_max` of the hull come first; where they do not fill the budget, the next best
    ranked follow, so that a round always spends its budget and the network learns where it is wrong.
    The control is drawn before anything is chosen, from all n: it measures what the pool is worth.
    A candidate that is drawn for the control and would be chosen too counts for the control only, and
    the next in rank takes its place.

    Args:
        scores: parallel arrays [n].
        rng: source of all chance.
        config: budget, control size, strategy.

    Returns:
        Indices chosen, best first, and indices of the control; disjoint.
    """
    n = len(scores["p_stable"])
    control = rng.choice(n, size=min(config.control, n), replace=False).astype(np.int64)
    order = STRATEGIES[config.strategy](scores, rng)
    if config.strategy != "random":
        near = scores["e_above_hull"][order] <= config.e_above_hull_max
        order = np.concatenate([order[near], order[~near]])
    taken: Counter[str] = Counter()
    in_control = set(control.tolist())
    chosen: list[int] = []
    for i in order.tolist():
        formula = str(scores["formula"][i])
        if len(chosen) == config.budget:
            break
        if i in in_control or taken[formula] >= config.per_composition:
            continue
        taken[formula] += 1
        chosen.append(i)
    return np.array(chosen, dtype=np.int64), control


def selector(config: Selection) -> Callable[[Scores, np.random.Generator], tuple[Indices, Indices]]:
    """`select` with its settings bound: what `pipeline.Select` asks for."""
    return partial(select, config=config)
