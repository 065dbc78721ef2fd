"""Plans of replays: strategies, ways of retraining, seeds and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gnome_lite.core.errors import ConfigError

Retrain = Literal["frozen", "none", "base", "continue"]
"""Learning between rounds: nothing at all; only the error model; the error model, and the networks trained anew from
the base's weights, as a campaign does by default; or from the weights of the round before."""

NETWORKED = ("greedy", "p_stable", "expected_improvement")
"""Strategies that ask the structural networks."""
STRATEGIES = ("perfect", "random", "ion_exchange", "composition", *NETWORKED)
"""`perfect` knows the truth, `composition` takes the lowest by the composition networks; the others are `select`'s."""
BUDGET = 50
"""Verifications a round: about a hundredth of a labelled pool, so that six rounds leave something to find."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One replay.

    Attributes:
        budget: verifications a round.
        rounds: rounds after which it ends, if not before because everything is verified.
        until: share of the stable crystals offered that has to be found before it ends.
        offered: share of the labelled pool's formulas, drawn by the seed, that there are to choose from.
    """

    strategy: str
    retrain: Retrain = "none"
    seed: int = 0
    budget: int = BUDGET
    rounds: int = 6
    until: float | None = None
    offered: float = 0.8


RETRAIN: tuple[Retrain, ...] = get_args(Retrain)


def make_plans(
    strategies: Sequence[str], retrain: Sequence[str], seeds: int, budget: int, rounds: int, until: float | None = None
) -> list[Plan]:
    """Return all combinations; only strategies that ask a network are retrained. The costly ones come last.

    Raises:
        ConfigError: for an unknown strategy or way of retraining, or none at all.
    """
    for given, known, what in ((strategies, STRATEGIES, "strategy"), (retrain, RETRAIN, "way of retraining")):
        if not given:
            raise ConfigError(f"no {what} is named: choose from {', '.join(known)}")
        stray = [name for name in given if name not in known]
        if stray:
            raise ConfigError(f"there is no {what} {stray[0]!r}: choose from {', '.join(known)}")
    arms: list[tuple[str, Retrain]] = [
        (s, r) for r in RETRAIN if r in retrain for s in dict.fromkeys(strategies) if r == "none" or s in NETWORKED
    ]
    arms += [(s, "none") for s in dict.fromkeys(strategies) if "none" not in retrain and s not in NETWORKED]
    return [Plan(s, r, seed, budget, rounds, until) for s, r in arms for seed in range(seeds)]
