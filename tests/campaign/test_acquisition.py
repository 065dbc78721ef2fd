"""Acquisition strategies as pure functions."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnome_lite.campaign.acquisition import WORTH, BatchAcquisition
from gnome_lite.config import Selection, Strategy


def scores(n: int, seed: int = 0, formulas: int = 1000) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "p_stable": rng.random(n).round(2),
        "e_above_hull": rng.normal(0.1, 0.1, n),
        "expected_improvement": rng.random(n),
        "spread": rng.random(n),
        "probability": np.where(rng.random(n) < 0.5, rng.random(n), np.nan),
        "system": np.array([f"S{i}" for i in rng.integers(0, 8, n)], dtype=object),
        "formula": np.array([f"A{i}" for i in rng.integers(0, formulas, n)], dtype=object),
        "generator": rng.choice(np.array(["substitution", "partial", "random"], dtype=object), n),
    }


def select(pool: dict, rng: np.random.Generator, config: Selection) -> tuple[np.ndarray, np.ndarray]:
    return BatchAcquisition(config).select(pool, rng)


@given(st.integers(0, 60), st.integers(0, 5), st.sampled_from(get_args(Strategy)))
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


@pytest.mark.parametrize(
    ("strategy", "key", "sign"),
    [("p_stable", "p_stable", -1), ("greedy", "e_above_hull", 1), ("expected_improvement", "expected_improvement", -1)],
)
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


def test_no_chemical_system_takes_the_whole_batch() -> None:
    pool = scores(200)
    chosen, _ = select(pool, np.random.default_rng(0), Selection(budget=24, control=0, per_system=3))
    _, of_system = np.unique(pool["system"][chosen], return_counts=True)
    assert of_system.tolist() == [3] * 8


def test_ion_exchange_asks_no_network() -> None:
    pool = scores(200)
    config = Selection(strategy="ion_exchange", budget=200, control=0)
    chosen, _ = select(pool, np.random.default_rng(0), config)
    other = pool | {name: np.zeros(200) for name in ("p_stable", "e_above_hull", "expected_improvement", "spread")}
    assert (select(other, np.random.default_rng(0), config)[0] == chosen).all()
    likely = np.nan_to_num(pool["probability"][chosen], nan=-1)
    assert (np.diff(likely) <= 0).all()


def test_explorers_are_the_most_uncertain_that_could_be_stable() -> None:
    pool = scores(300)
    exploit, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0))
    chosen, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0, explore=0.25))
    assert (chosen[:15] == exploit[:15]).all()
    explorers = chosen[15:]
    assert (pool["e_above_hull"][explorers] <= pool["spread"][explorers]).all()
    hopeful = (pool["e_above_hull"] <= pool["spread"]) & ~np.isin(np.arange(300), chosen)
    formulas = ~np.isin(pool["formula"], pool["formula"][chosen])
    assert pool["spread"][hopeful & formulas].max() <= pool["spread"][explorers].min()


def test_without_hopeful_ones_explorers_go_by_rank_and_not_by_spread() -> None:
    pool = scores(100)
    pool |= {"spread": 1e-3 * pool["spread"], "e_above_hull": 0.01 + np.abs(pool["e_above_hull"])}
    best, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0))
    chosen, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0, explore=0.25))
    assert chosen.tolist() == best.tolist()


@given(
    st.integers(1, 150), st.integers(0, 50), st.sampled_from(list(WORTH)), st.integers(1, 3), st.integers(0, 4),
    st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.4]), st.sampled_from([3, 40]),
)  # fmt: skip
def test_whatever_the_control_only_contenders_are_chosen(
    n: int,
    seed: int,
    strategy: str,
    per_composition: int,
    per_system: int,
    explore: float,
    likely: float,
    formulas: int,
) -> None:
    config = Selection(
        strategy=strategy, budget=6, control=2, per_composition=per_composition, per_system=per_system,
        explore=explore, substitution_share=likely,
    )  # fmt: skip
    acquisition, pool = BatchAcquisition(config), scores(n, seed, formulas)
    pool["system"] = np.array([f"S{formula[1:2]}" for formula in pool["formula"]], dtype=object)
    take = lambda which: {name: values[which] for name, values in pool.items()}  # noqa: E731
    done, others = np.empty(0, np.int64), np.arange(n)
    while len(chosen := acquisition.contenders(take(done), [take(others)], take(others))):
        done, others = np.append(done, others[chosen]), np.delete(others, chosen)
    for draw in range(5):
        chosen, _ = acquisition.select(pool, np.random.default_rng(draw))
        assert set(chosen.tolist()) <= set(done.tolist())


def test_contenders_come_by_their_promise_and_a_few_at_a_time() -> None:
    pool = scores(200)
    config = Selection(budget=20, control=4)
    best, _ = select(pool, np.random.default_rng(0), config.model_copy(update={"control": 0, "per_composition": 200}))
    none = {name: values[:0] for name, values in pool.items()}
    first = BatchAcquisition(config).contenders(none, [pool], pool)
    assert len(first) == 24
    assert first[:20].tolist() == best.tolist()


def test_the_likeliest_substitutions_take_their_share_whatever_the_networks_say() -> None:
    pool = scores(300)
    pool["probability"][pool["generator"] == "random"] = np.nan
    best, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0))
    chosen, _ = select(
        pool, np.random.default_rng(0), Selection(budget=20, control=0, substitution_share=0.25, explore=0.1)
    )
    assert (chosen[:13] == best[:13]).all()
    likely = chosen[13:18]
    assert (pool["generator"][likely] == "substitution").all()
    passed_over = (pool["generator"] == "substitution") & ~np.isin(pool["formula"], pool["formula"][chosen])
    assert np.nanmax(pool["probability"][passed_over]) <= np.nanmin(pool["probability"][likely])
    silent = pool | {name: np.zeros(300) for name in ("p_stable", "e_above_hull")}
    every = Selection(budget=20, control=0, substitution_share=1.0)
    assert (
        select(silent, np.random.default_rng(0), every)[0] == select(pool, np.random.default_rng(0), every)[0]
    ).all()


def test_what_no_substitution_fills_goes_by_rank() -> None:
    pool = scores(100) | {"generator": np.full(100, "random", dtype=object)}
    best, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0))
    chosen, _ = select(pool, np.random.default_rng(0), Selection(budget=20, control=0, substitution_share=0.5))
    assert chosen.tolist() == best.tolist()


def test_shares_of_one_budget_are_no_more_than_it() -> None:
    with pytest.raises(ValueError, match="lower one"):
        Selection(substitution_share=0.7, explore=0.4)
