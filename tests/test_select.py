"""Acquisition strategies as pure functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnome_lite.config import Selection
from gnome_lite.select import select


def scores(n: int, seed: int = 0, formulas: int = 1000) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "p_stable": rng.random(n).round(2),
        "e_above_hull": rng.normal(0.1, 0.1, n),
        "spread": rng.random(n),
        "formula": np.array([f"A{i}" for i in rng.integers(0, formulas, n)], dtype=object),
    }


@given(st.integers(0, 60), st.integers(0, 5), st.sampled_from(["p_stable", "greedy", "random"]))
def test_selection_is_within_budget_disjoint_and_repeatable(n: int, seed: int, strategy: str) -> None:
    config = Selection(strategy=strategy, budget=10, control=3, per_composition=2)
    pool = scores(n, seed, formulas=7)
    chosen, control = select(pool, np.random.default_rng(seed), config)
    again = select(pool, np.random.default_rng(seed), config)
    assert [chosen.tolist(), control.tolist()] == [a.tolist() for a in again]
    assert len(chosen) <= 10
    assert len(control) == min(3, n)
    assert len({*chosen.tolist(), *control.tolist()}) == len(chosen) + len(control)
    _, per_formula = np.unique(pool["formula"][chosen], return_counts=True)
    assert (per_formula <= 2).all()


@pytest.mark.parametrize(("strategy", "key", "sign"), [("p_stable", "p_stable", -1), ("greedy", "e_above_hull", 1)])
def test_best_ranked_near_the_hull_come_first(strategy: str, key: str, sign: int) -> None:
    config = Selection(strategy=strategy, budget=30, control=0, e_above_hull_max=0.05)
    pool = scores(200)
    chosen, _ = select(pool, np.random.default_rng(0), config)
    near = pool["e_above_hull"][chosen] <= 0.05
    assert near.sum() == min(30, (pool["e_above_hull"] <= 0.05).sum())
    ranked = sign * pool[key][chosen][near]
    assert (np.diff(ranked) >= 0).all()


def test_budget_is_spent_when_nothing_is_near_the_hull() -> None:
    pool = scores(50) | {"e_above_hull": np.full(50, 0.9)}
    chosen, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0))
    assert len(chosen) == 20
