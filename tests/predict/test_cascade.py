"""The cascade picks what the whole computation picks, at a fraction of its price."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.config import Selection
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.pipeline import Scores
from gnome_lite.predict.cascade import Floats, Indices, cascade
from gnome_lite.predict.ensemble import VOLUMES, lowest_of_median, median_and_spread, volume_factors
from gnome_lite.predict.error_model import IQR_PER_SIGMA, ErrorModel

N, MEMBERS, PICKED = 800, 4, 15


class Parabolas:
    """Made-up members: each sees a crystal's energy as a valley of its own depth; counts what it is asked."""

    def __init__(self, n: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.depth = rng.normal(0, 0.3, n) + rng.normal(0, 0.04, (MEMBERS, n))
        self.place, self.bend = rng.uniform(0.9, 1.1, n), rng.uniform(0.1, 2.0, n)
        self.asked = 0

    def __call__(self, crystals: CrystalBatch, factors: Floats, members: list[int] | None = None, *_: object) -> Floats:
        # The crystal's number is its cell's length: what is asked of one does not depend on its neighbours.
        i = np.rint(crystals.lattices[:, 0, 0] * 100).astype(int) - 300
        some = np.arange(MEMBERS) if members is None else np.array(members)
        f = np.reshape(factors, (len(factors), -1))
        energies = self.depth[some][:, None, i] + self.bend[i] * (f - self.place[i]) ** 2
        self.asked += energies.size
        return np.where(i % 97 == 5, np.nan, energies)  # some have no graph


def crystals(n: int = N) -> CrystalBatch:
    return CrystalBatch.from_crystals(Crystal.make([3], [[0, 0, 0]], np.eye(3) * (3 + i / 100)) for i in range(n))


def score(which: Indices, e_form: Floats, spread: Floats) -> Scores:
    """Two of a formula, four of a chemical system; a hull at -0.4 eV/atom."""
    errors, distance = ErrorModel(0.02), e_form + 0.4
    return {
        "e_above_hull": distance,
        "spread": spread,
        "p_stable": errors.p_stable(distance, spread),
        "expected_improvement": errors.expected_improvement(distance, spread),
        "formula": which // 2,
        "system": which // 4,
        "probability": which % 89 / 100,
        "generator": np.where(which % 3 == 0, "substitution", "random"),
    }


def acquisition(**changed: Any) -> BatchAcquisition:
    return BatchAcquisition(Selection(**{"budget": PICKED, "control": 0} | changed))


def picks(e_form: Floats, spread: Floats, by: BatchAcquisition) -> list[int]:
    return by.select(score(np.arange(len(e_form)), e_form, spread), np.random.default_rng(0))[0].tolist()


def in_full(members: Parabolas, batch: CrystalBatch, volume_scan: int) -> tuple[Floats, Floats]:
    e_form, spread = median_and_spread(members(batch, VOLUMES))
    return (lowest_of_median(members(batch, volume_factors(volume_scan))) if volume_scan else e_form), spread


@pytest.mark.parametrize("volume_scan", [0, 20])
@pytest.mark.parametrize("seed", range(5))
def test_picks_what_the_whole_computation_picks_for_less(seed: int, volume_scan: int) -> None:
    members, batch = Parabolas(N, seed), crystals()
    e_form, spread = cascade(members, MEMBERS, batch, score, acquisition(), volume_scan=volume_scan)
    price = members.asked / N
    whole, whole_spread = in_full(members, batch, volume_scan)
    expected = picks(whole, whole_spread, acquisition())
    got = picks(e_form, spread, acquisition())
    assert len(set(expected) - set(got)) <= 1  # a pick in a hundred may be lost
    in_full_too = np.isclose(e_form[got], whole[got], atol=1e-6) & np.isclose(spread[got], whole_spread[got], atol=1e-6)
    assert (~in_full_too).sum() <= 2
    np.testing.assert_array_equal(np.isnan(e_form), np.isnan(whole))
    np.testing.assert_array_equal(np.isnan(spread), np.isnan(whole))
    assert price < 0.15 * MEMBERS * (len(VOLUMES) + volume_scan)


@pytest.mark.parametrize("strategy", ["p_stable", "greedy", "expected_improvement"])
@pytest.mark.parametrize("explore", [0.0, 0.4])
def test_within_limits_and_for_every_reason_to_choose(strategy: str, explore: float) -> None:
    members, batch = Parabolas(N), crystals()
    by = acquisition(strategy=strategy, explore=explore, substitution_share=0.2, per_system=2, control=3)
    e_form, spread = cascade(members, MEMBERS, batch, score, by)
    price = members.asked / N
    whole, whole_spread = in_full(members, batch, 0)
    got = picks(e_form, spread, by)
    assert got == picks(whole, whole_spread, by)
    np.testing.assert_allclose(spread[got], whole_spread[got], atol=1e-6)
    assert price < 0.8 * MEMBERS * len(VOLUMES)


def test_a_cheap_prediction_says_how_cheap_it_is() -> None:
    members, batch = Parabolas(N), crystals()
    e_form, spread = cascade(members, MEMBERS, batch, score, acquisition())
    whole, whole_spread = in_full(members, batch, 0)
    cheap = np.isfinite(e_form) & (np.abs(e_form - whole) > 1e-6)
    assert cheap.sum() > N / 2
    assert np.median(spread[cheap]) > np.median(whole_spread[cheap])
    within = np.abs(e_form - whole)[cheap] <= 2 * spread[cheap] / IQR_PER_SIGMA
    assert within.mean() > 0.9


def test_fewer_candidates_than_are_picked_are_all_predicted_in_full() -> None:
    members, batch = Parabolas(N), crystals(10)
    e_form, spread = cascade(members, MEMBERS, batch, score, acquisition())
    whole, whole_spread = in_full(members, batch, 0)
    np.testing.assert_allclose(e_form, whole, atol=1e-6)
    np.testing.assert_allclose(spread, whole_spread, atol=1e-6)
    assert [len(a) for a in cascade(members, MEMBERS, crystals(0), score, acquisition())] == [0, 0]


def test_one_member_is_an_ensemble_too() -> None:
    members, batch = Parabolas(N), crystals(60)
    first = lambda c, f, m=None, *_: members(c, f, [0])  # noqa: E731
    e_form, spread = cascade(first, 1, batch, score, acquisition(budget=60))
    np.testing.assert_allclose(e_form, np.median(first(batch, VOLUMES)[0], axis=0), atol=1e-12)
    assert (spread[np.isfinite(e_form)] > 0).all()
