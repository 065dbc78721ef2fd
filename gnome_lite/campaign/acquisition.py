"""Acquisition: which candidates are worth a verification. Pure functions of scores and a seeded rng.

Scores are parallel arrays [n] by name:

- "p_stable": probability of being on the hull, 0..1;
- "e_above_hull": predicted signed distance to the hull of known phases, eV/atom;
- "expected_improvement": by how much the hull is expected to be lowered, eV/atom;
- "spread": how far the ensemble is apart, eV/atom;
- "probability": of the ionic substitution that made the candidate, NaN where another generator did;
- "formula", "system", "generator": reduced formula, chemical system and what made it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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


def by_expected_improvement(scores: Scores, rng: np.random.Generator) -> Indices:
    """What is expected to lower the hull most first: sure small gains count less than likely large ones."""
    return np.lexsort((scores["e_above_hull"], -scores["expected_improvement"]))


def greedy(scores: Scores, rng: np.random.Generator) -> Indices:
    """Lowest predicted distance to the hull first, as GNoME ranked."""
    return np.argsort(scores["e_above_hull"], kind="stable")


def by_ion_exchange(scores: Scores, rng: np.random.Generator) -> Indices:
    """Likeliest substitution first, no network at all: the baseline of plain ion exchange. What no substitution made
    comes last, at random, and so does every tie."""
    likely = np.nan_to_num(scores["probability"], nan=-1.0)
    return np.lexsort((rng.random(len(likely)), -likely))


def at_random(scores: Scores, rng: np.random.Generator) -> Indices:
    """No model at all: the baseline."""
    return rng.permutation(len(scores["p_stable"]))


STRATEGIES: dict[str, Callable[[Scores, np.random.Generator], Indices]] = {
    "p_stable": by_p_stable,
    "expected_improvement": by_expected_improvement,
    "greedy": greedy,
    "ion_exchange": by_ion_exchange,
    "random": at_random,
}
WITHOUT_NETWORK = ("ion_exchange", "random")
"""Strategies that ask no network, not even whether a candidate is near the hull."""


def select(scores: Scores, rng: np.random.Generator, config: Selection) -> tuple[Indices, Indices]:
    """Choose candidates for verification and a random control from the same pool.

    Of one composition at most `config.per_composition` are chosen, of one chemical system `config.per_system`, the best
    ranked: a batch is verified at once, and of near copies the second tells little. Candidates within
    `config.e_above_hull_max` of the hull come first; where they do not fill the budget, the next best
    ranked follow, so that a round always spends its budget and the network learns where it is wrong.
    A share `config.substitution_share` of the budget goes to the likeliest ionic substitutions (whole sites, not parts
    of them), whatever the networks say of them: chemical likeness is evidence of another kind, and holds where networks
    are wrong about a whole system.
    A share `config.explore` goes to those that could be stable for all that is known (predicted distance less spread)
    where the networks are apart most. What either leaves over is filled by rank.
    The control is drawn before anything is chosen, from all n: it measures what the pool is worth.
    A candidate that is drawn for the control and would be chosen too counts for the control only, and
    the next in rank takes its place.

    Args:
        scores: parallel arrays [n].
        rng: source of all chance.
        config: budget, control size, strategy.

    Returns:
        Indices chosen, best first, then the likely, then explorers, and indices of the control; disjoint.
    """
    n = len(scores["p_stable"])
    control = rng.choice(n, size=min(config.control, n), replace=False).astype(np.int64)
    order = STRATEGIES[config.strategy](scores, rng)
    if config.strategy not in WITHOUT_NETWORK:
        near = scores["e_above_hull"][order] <= config.e_above_hull_max
        order = np.concatenate([order[near], order[~near]])
    likely, explorers = (round(share * config.budget) for share in (config.substitution_share, config.explore))
    batch = _Batch(scores, config, set(control.tolist()))
    batch.fill(order, config.budget - explorers - likely)
    if likely:
        by_chemistry = by_ion_exchange(scores, rng)
        substituted = scores["generator"][by_chemistry] == "substitution"
        batch.fill(by_chemistry[substituted], config.budget - explorers)
    if explorers:
        hopeful = scores["e_above_hull"] <= scores["spread"]
        batch.fill(np.lexsort((-scores["spread"], ~hopeful)), config.budget)
    batch.fill(order, config.budget)
    return np.array(batch.chosen, dtype=np.int64), control


class _Batch:
    """What is chosen so far, within the limits for compositions and chemical systems."""

    def __init__(self, scores: Scores, config: Selection, taken: set[int]) -> None:
        self.chosen: list[int] = []
        self._taken = taken
        limits = (("formula", config.per_composition), ("system", config.per_system))
        self._limits = [(scores[name], limit, Counter[str]()) for name, limit in limits if limit]

    def fill(self, order: Iterable[int], size: int) -> None:
        """Up to `size` in all, in an order."""
        for i in map(int, order):
            if len(self.chosen) >= size:
                return
            if i in self._taken or any(count[str(of[i])] >= limit for of, limit, count in self._limits):
                continue
            for of, _, count in self._limits:
                count[str(of[i])] += 1
            self._taken.add(i)
            self.chosen.append(i)


def selector(config: Selection) -> Callable[[Scores, np.random.Generator], tuple[Indices, Indices]]:
    """`select` with its settings bound: what `pipeline.Select` asks for."""
    return partial(select, config=config)
