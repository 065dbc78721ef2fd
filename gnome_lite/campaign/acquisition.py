"""Acquisition: the choice of candidates for verification. Pure functions of scores and a seeded rng.

Scores are parallel arrays [n] by name:

- "p_stable": probability of being on the hull, 0..1;
- "e_above_hull": predicted signed distance to the hull of known phases, eV/atom;
- "expected_improvement": by how much the hull is expected to be lowered, eV/atom;
- "spread": spread of the ensemble, eV/atom;
- "probability": of the ionic substitution that made the candidate, NaN where another generator did;
- "formula", "system", "generator": reduced formula, chemical system and generator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.config import Selection
from gnome_lite.core.records import Candidate, Prediction
from gnome_lite.pipeline import Scores, labels

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

WORTH = {"p_stable": "p_stable", "expected_improvement": "expected_improvement", "greedy": None}
"""Strategies that rank by predictions, and the score that each puts first; ties (many zeros) and greedy, as GNoME
ranked, go by the predicted distance to the hull."""
FEWEST_AT_A_TIME = 16
"""Least number of candidates predicted in full at a time: fewer tell little about the rest."""


def scores_of(predicted: Sequence[tuple[Candidate, Prediction]]) -> Scores:
    """Return the scores of candidates from their predictions."""
    return labels([c for c, _ in predicted]) | {
        "p_stable": np.array([p.p_stable for _, p in predicted]),
        "e_above_hull": np.array([p.e_above_hull_ev_per_atom for _, p in predicted]),
        "expected_improvement": np.array([p.expected_improvement_ev_per_atom or 0.0 for _, p in predicted]),
        "spread": np.array([p.spread_ev_per_atom for _, p in predicted]),
    }


@dataclass(frozen=True, slots=True)
class BatchAcquisition:
    """`pipeline.Acquisition`: one batch for verification, within its limits.

    At most `config.per_composition` candidates of one composition and `config.per_system` of one chemical system are
    chosen, the best ranked: a batch is verified at once, and the second of two near copies tells little. Candidates
    within `config.e_above_hull_max` of the hull come first; where they do not fill the budget, the next best
    ranked follow, so that a round always spends its budget and the network learns where it is wrong.
    A share `config.substitution_share` of the budget goes to the likeliest ionic substitutions (whole sites, not parts
    of them), whatever the networks predict: chemical similarity is evidence of another kind, and holds where networks
    are wrong about a whole system.
    A share `config.explore` goes to the largest spreads among those that may be stable (predicted distance less
    spread). What either leaves over is filled by rank.
    The strategies "ion_exchange" (likeliest substitution first, crystals made otherwise last) and "random" are
    baselines that ask no network, not even whether a candidate is near the hull.
    """

    config: Selection

    @property
    def by_prediction(self) -> bool:
        """Return whether candidates are ranked by predictions at all."""
        return self.config.strategy in WORTH

    @property
    def needs_spread(self) -> bool:
        """Return whether a candidate may be chosen for its large spread, or in spite of it: not by P(stable)."""
        return self.config.strategy != "p_stable" or self._explorers > 0

    @property
    def _likely(self) -> int:
        return round(self.config.substitution_share * self.config.budget)

    @property
    def _explorers(self) -> int:
        return round(self.config.explore * self.config.budget)

    def select(self, scores: Scores, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Choose candidates for verification and a random control from the same pool.

        The control is drawn before anything is chosen, from all n: it measures what the pool is worth.
        A candidate that is drawn for the control and would be chosen too counts for the control only, and
        the next in rank takes its place.

        Args:
            scores: parallel arrays [n].
            rng: random number generator of control, ties and strategies.

        Returns:
            Chosen indices (by rank, then likely substitutions, then explorers), and indices of the control; disjoint.
        """
        n, budget = len(scores["e_above_hull"]), self.config.budget
        control = rng.choice(n, size=min(self.config.control, n), replace=False).astype(np.int64)
        order = self._ranked(scores, rng)
        batch = _Batch(scores, self.config, control.tolist())
        batch.fill(order, budget - self._explorers - self._likely)
        if self._likely:
            by_chemistry = _by_ion_exchange(scores, rng)
            substituted = scores["generator"][by_chemistry] == "substitution"
            batch.fill(by_chemistry[substituted], budget - self._explorers)
        if self._explorers:
            batch.fill(_descending(_hopeful_spread(scores)), budget)
        batch.fill(order, budget)
        return np.array(batch.chosen, dtype=np.int64), control

    def contenders(self, done: Scores, hopes: Sequence[Scores], widest: Scores) -> Indices:
        """Return the next of m roughly predicted candidates to predict in full, the most promising first.

        A candidate is ruled out when, at its best, batch and control can be filled with better ones of those
        predicted in full: a batch within limits for compositions and, above these, systems only improves with more
        candidates, and each of the control takes away one at most.

        Args:
            done: scores of those predicted in full.
            hopes: scores of the others as good as they may turn out to be, in one way and another, each [m].
            widest: scores of the others with the largest spread that they may turn out to have, [m].
        """
        races = [(self._merit(done), np.max([self._merit(scores) for scores in hopes], axis=0))]
        if self._explorers:
            races.append((_hopeful_spread(done), _hopeful_spread(widest)))
        if self._likely:
            races.append((_substitution_probability(done), _substitution_probability(widest)))
        most = self.config.budget + self.config.control
        contenders: dict[int, None] = {}
        for settled, best in races:
            batch = _Batch(done, self.config)
            batch.fill(_descending(settled), most)
            bar = settled[batch.chosen[-1]] if len(batch.chosen) == most else -np.inf
            contenders |= dict.fromkeys(i for i in _descending(best).tolist() if best[i] >= bar)
        return np.array(list(contenders), dtype=np.int64)[: max(most, FEWEST_AT_A_TIME)]

    def _ranked(self, scores: Scores, rng: np.random.Generator) -> Indices:
        """Return all candidates, the best first, [n]."""
        if self.config.strategy == "ion_exchange":
            return _by_ion_exchange(scores, rng)
        distance = scores["e_above_hull"]
        if self.config.strategy == "random":
            return rng.permutation(len(distance))
        return np.lexsort((distance, -self._worth(scores), ~(distance <= self.config.e_above_hull_max)))

    def _merit(self, scores: Scores) -> Floats:
        """Return the order of `_ranked` as one number, higher first, [n]; -inf where there is no prediction."""
        distance = scores["e_above_hull"]
        merit = self._worth(scores) + (distance <= self.config.e_above_hull_max) - 1e-6 * distance
        return np.where(np.isnan(distance), -np.inf, merit)

    def _worth(self, scores: Scores) -> Floats:
        name = WORTH[self.config.strategy]
        return np.zeros(len(scores["e_above_hull"])) if name is None else scores[name]


class _Batch:
    """Candidates chosen so far, within the limits for compositions and chemical systems."""

    def __init__(self, scores: Scores, config: Selection, taken: Iterable[int] = ()) -> None:
        self.chosen: list[int] = []
        self._taken = set(taken)
        limits = (("formula", config.per_composition), ("system", config.per_system))
        self._limits = [(scores[name], limit, Counter[str]()) for name, limit in limits if limit]

    def fill(self, order: Iterable[int], size: int) -> None:
        """Choose in an order until `size` are chosen in all."""
        for i in map(int, order):
            if len(self.chosen) >= size:
                return
            if i in self._taken or any(count[str(of[i])] >= limit for of, limit, count in self._limits):
                continue
            for of, _, count in self._limits:
                count[str(of[i])] += 1
            self._taken.add(i)
            self.chosen.append(i)


def _descending(values: Floats) -> Indices:
    """Return indices from the highest value to the lowest, without those of -inf."""
    order = np.argsort(-values, kind="stable")
    return order[values[order] > -np.inf]


def _hopeful_spread(scores: Scores) -> Floats:
    """Return the spread of candidates that could be stable within it, -inf for the others, [n]."""
    return np.where(scores["e_above_hull"] <= scores["spread"], scores["spread"], -np.inf)


def _substitution_probability(scores: Scores) -> Floats:
    """Return the probability of candidates made by ionic substitution, -inf for the others, [n]."""
    return np.where(scores["generator"] == "substitution", np.nan_to_num(scores["probability"], nan=-1.0), -np.inf)


def _by_ion_exchange(scores: Scores, rng: np.random.Generator) -> Indices:
    """Return the likeliest substitution first; crystals made otherwise come last, in random order, as within ties."""
    likely = np.nan_to_num(scores["probability"], nan=-1.0)
    return np.lexsort((rng.random(len(likely)), -likely))
