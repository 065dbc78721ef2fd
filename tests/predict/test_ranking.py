"""Candidates ranked by a small ensemble: what is chosen does not depend on what is predicted roughly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples.seed_pool import seed_pool

from gnome_lite.assemble import shipped_model
from gnome_lite.campaign.acquisition import BatchAcquisition, scores_of
from gnome_lite.config import Selection
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate, Prediction
from gnome_lite.pipeline import Hull, silent
from gnome_lite.predict import checkpoint
from gnome_lite.predict.ensemble import Ensemble
from gnome_lite.predict.error_model import ErrorModel
from gnome_lite.predict.ranking import rank_candidates
from gnome_lite.predict.residual_gp import ResidualGP
from gnome_lite.stability.hull import build_hull

ELEMENTS = ("Li", "Na", "K", "Mg", "Ca", "O", "S", "Cl", "F", "N")
BUSY = Selection(budget=12, control=3, explore=0.25, per_system=2, substitution_share=0.25)
SAME_EV_PER_ATOM = 1e-5  # float32

World = tuple[Ensemble, list[Candidate], Hull]
Ranked = dict[str, Prediction]


@pytest.fixture(scope="module")
def world() -> World:
    """Two of the shipped networks, and unrelaxed crystals of half of the seed's formulas above the hull of the rest."""
    references, labelled, _ = seed_pool(ELEMENTS)
    path = shipped_model(references.level)
    assert path is not None
    read = checkpoint.read(path)
    ensemble = Ensemble(replace(read, weights=read.weights[:2]), "cpu")
    return ensemble, list(labelled.candidates), build_hull(references)


def ranked(world: World, selection: Selection | None, residual: ResidualGP | None = None) -> Ranked:
    """Without a selection all are predicted in full."""
    acquisition, errors = None if selection is None else BatchAcquisition(selection), ErrorModel(0.05)
    ensemble, candidates, hull = world
    found = rank_candidates(
        ensemble, ensemble.predict, ensemble.energies, candidates, hull, errors, residual or ResidualGP(), acquisition,
        0, 1, silent,
    )  # fmt: skip
    return {p.candidate_id: p for p in found}


def chosen(world: World, predictions: Ranked, selection: Selection, draw: int = 0) -> list[str]:
    pairs = [(c, predictions[c.id]) for c in world[1] if c.id in predictions]
    picks, _ = BatchAcquisition(selection).select(scores_of(pairs), np.random.default_rng(draw))
    return [pairs[i][0].id for i in picks]


def rough(predictions: Ranked, in_full: Ranked) -> set[str]:
    """Candidates whose prediction is not that of the whole ensemble."""
    return {
        i
        for i, p in predictions.items()
        if abs(p.spread_ev_per_atom - in_full[i].spread_ev_per_atom) > SAME_EV_PER_ATOM
    }


@pytest.fixture(scope="module")
def in_full(world: World) -> Ranked:
    return ranked(world, None)


def test_the_cascade_changes_nothing_of_a_selection_for_every_reason(world: World, in_full: Ranked) -> None:
    cascaded = ranked(world, BUSY)
    assert cascaded.keys() == in_full.keys()
    assert len(rough(cascaded, in_full)) > len(in_full) / 5
    for draw in range(5):  # of the control
        picks = chosen(world, cascaded, BUSY, draw)
        assert picks == chosen(world, in_full, BUSY, draw)
        assert not rough(cascaded, in_full) & set(picks)


def test_explorers_are_the_most_uncertain_of_those_that_could_be_stable(world: World, in_full: Ranked) -> None:
    only = Selection(budget=8, control=0, explore=1.0, per_composition=1000)
    hopeful = [p for p in in_full.values() if p.e_above_hull_ev_per_atom <= p.spread_ev_per_atom]
    hopeful.sort(key=lambda p: -p.spread_ev_per_atom)
    assert len(hopeful) < 0.9 * len(in_full)
    cascaded = ranked(world, only)
    assert chosen(world, cascaded, only) == [p.candidate_id for p in hopeful[:8]]
    # Nor is the rough spread of any other as large: it plays no part.
    least = hopeful[7].spread_ev_per_atom
    assert max(cascaded[i].spread_ev_per_atom for i in rough(cascaded, in_full)) < least


@pytest.mark.parametrize("strategy", ["p_stable", "greedy", "expected_improvement"])
def test_by_rank_the_cascade_chooses_what_the_whole_ensemble_does(world: World, in_full: Ranked, strategy: str) -> None:
    selection = Selection(strategy=strategy, budget=12, control=2)  # type: ignore[arg-type]
    cascaded = ranked(world, selection)
    picks = chosen(world, cascaded, selection)
    assert picks == chosen(world, in_full, selection)
    assert not rough(cascaded, in_full) & set(picks)
    assert rough(cascaded, in_full)


def test_what_like_compositions_err_by_shifts_the_promise_and_not_the_distance(world: World, in_full: Ranked) -> None:
    ensemble, candidates, hull = world
    few = candidates[:20]
    counts = np.stack([c.crystal.counts for c in few])
    shifted = ranked((ensemble, few, hull), None, ResidualGP.fitted(counts, np.full(len(few), 0.1)))
    for c in few:
        before, after = in_full[c.id], shifted[c.id]
        assert after.e_above_hull_ev_per_atom == pytest.approx(before.e_above_hull_ev_per_atom, abs=SAME_EV_PER_ATOM)
        assert after.p_stable <= before.p_stable
        assert after.expected_improvement_ev_per_atom < before.expected_improvement_ev_per_atom


def test_what_cannot_be_predicted_is_left_out_and_the_rest_keeps_its_order(world: World) -> None:
    ensemble, candidates, hull = world
    lonely = Candidate("lonely", Crystal.make([3], [[0, 0, 0]], 9 * np.eye(3)), "", "random", "", 1)
    asked = [candidates[1], lonely, candidates[0]]
    assert list(ranked((ensemble, asked, hull), Selection())) == [candidates[1].id, candidates[0].id]
    assert ranked((ensemble, [], hull), Selection()) == {}
