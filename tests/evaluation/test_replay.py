"""Replays: truth against pymatgen, baselines against arithmetic, and results that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition
from samples.seed_pool import seed_pool, write_seed_pool

from gnome_lite.assemble import make_novelty
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.campaign.stages import Stages
from gnome_lite.config import CampaignConfig, Predict, Selection
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError, LevelMismatchError
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.evaluation.ground_truth import GroundTruth, make_ground_truth
from gnome_lite.evaluation.labelled_pool import LabelledPool
from gnome_lite.evaluation.plans import Plan, make_plans
from gnome_lite.evaluation.replay import Replay, offered_by, replay
from gnome_lite.evaluation.replay_predictors import Networks
from gnome_lite.evaluation.replay_runs import band, by_arm, run_replays
from gnome_lite.evaluation.replay_setup import open_replay
from gnome_lite.evaluation.replay_stages import replay_stages
from gnome_lite.pipeline import silent
from gnome_lite.settings import Settings
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.stability.hull import build_hull

ELEMENTS = ("Li", "Na", "Mg", "Ca", "O", "S", "F", "N")
Opened = tuple[GroundTruth, Networks]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool")
    write_seed_pool(path, ELEMENTS, fail_every=9)
    return path


@pytest.fixture(scope="module")
def opened(directory: Path) -> Opened:
    return open_replay(CampaignConfig(), Settings(home=directory / "home"), directory)


def figures(one: Replay) -> list[object]:
    """All but the seconds."""
    return [one.plan, one.offered, one.stable, one.hits_at, [replace(r, seconds=0.0) for r in one.rounds]]


def test_truth_is_pymatgens(opened: Opened) -> None:
    truth, _ = opened
    ok = [v for v in truth.labelled.outcomes if v.ok]
    every = [(e.crystal, e.energy_ev) for e in truth.references] + [(v.crystal, v.energy_ev) for v in ok]
    inside = [(c, e) for c, e in every if set(c.chemical_system.split("-")) <= set(ELEMENTS)]
    systems = {c.chemical_system for c, _ in inside}
    matcher = StructureMatcher()
    for i in np.random.default_rng(0).permutation(len(truth))[:60]:
        outcome = truth.labelled.outcomes[i]
        if not outcome.ok:
            assert not truth.stable[i]
            continue
        own = set(outcome.crystal.chemical_system.split("-"))
        near = [(c, e) for c, e in inside if set(c.chemical_system.split("-")) <= own]
        diagram = PhaseDiagram([PDEntry(c.to_pymatgen().composition, e) for c, e in near])
        entry = PDEntry(Composition(outcome.crystal.to_pymatgen().composition), outcome.energy_ev)
        above = diagram.get_e_above_hull(entry, allow_negative=True)
        mine = outcome.crystal.to_pymatgen()
        lower = [
            c
            for c, e in near
            if c.reduced_formula == outcome.crystal.reduced_formula
            and e / len(c) < outcome.energy_ev_per_atom
            and matcher.fit(mine, c.to_pymatgen())
        ]
        assert truth.stable[i] == (above <= STABLE_EV_PER_ATOM and not lower)
    assert 0 < truth.stable.sum() < len(truth) / 2
    assert len(systems) > 20


def test_a_crystal_counts_once_and_a_known_one_never() -> None:
    references, labelled, relaxed = seed_pool(ELEMENTS)
    truth = make_ground_truth(references, labelled, make_novelty(), build_hull)
    best = int(np.flatnonzero(truth.stable)[0])
    start, outcome = labelled.candidates[best], labelled.outcomes[best]
    moved = outcome.crystal.to_pymatgen().make_supercell(2, in_place=False)
    twin_of_start = CrystalBatch.from_crystals([start.crystal]).scaled(1.05)[0]
    twin = replace(start, id=twin_of_start.content_id, crystal=twin_of_start)
    worse = replace(outcome, candidate_id=twin.id, energy_ev=outcome.energy_ev + 1e-6)
    pairs = list(zip(labelled.candidates, labelled.outcomes, strict=True))
    twice = make_ground_truth(references, LabelledPool.make([*pairs, (twin, worse)], ""), make_novelty(), build_hull)
    stable = {c.id for c, s in zip(twice.labelled.candidates, twice.stable, strict=True) if s}
    assert start.id in stable
    assert twin.id not in stable
    assert twice.stable.sum() == truth.stable.sum()
    # The same crystal among the references, in another cell.
    known = next(e for e in relaxed if e.energy_ev == outcome.energy_ev)
    crystal = type(start.crystal).from_pymatgen(moved)
    more = type(references).make(
        [*references, replace(known, id="mine", crystal=crystal, energy_ev=8 * known.energy_ev)]
    )
    after = make_ground_truth(more, labelled, make_novelty(), build_hull)
    assert not after.stable[best]


def test_a_perfect_picker_finds_all_at_once(opened: Opened) -> None:
    truth, networks = opened
    one = replay(truth, Plan("perfect", budget=60, rounds=1000), networks)
    assert one.offered < len(truth)
    assert one.hits_at == tuple(range(1, one.stable + 1))
    assert one.rounds[-1].verified == one.offered
    for r in one.rounds:
        assert r.reachable == min(60, one.stable - (r.found - r.hits)) / 60
        assert r.hits == round(60 * r.reachable)
    assert one.verifications_to(1.0) == one.stable
    assert one.verifications_to(0.5) == -(-one.stable // 2)


def test_random_hits_what_there_is(opened: Opened) -> None:
    """Mean hit rate within four standard errors of the prevalence; DAF 1; nothing is verified twice."""
    truth, networks = opened
    runs = [replay(truth, Plan("random", seed=s, budget=200, rounds=1), networks) for s in range(4)]
    share = np.array([one.stable / one.offered for one in runs])
    rate = np.array([one.rounds[-1].found / one.rounds[-1].verified for one in runs])
    error = np.sqrt(share.mean() * (1 - share.mean()) / (200 * len(runs)))
    assert abs((rate - share).mean()) < 4 * error
    whole = replay(truth, Plan("random", budget=400, rounds=1000), networks)
    assert (whole.rounds[-1].verified, whole.rounds[-1].found) == (whole.offered, whole.stable)
    assert sum(r.failed for r in whole.rounds) > 0
    daf = [one.rounds[0].daf for one in runs]
    assert np.mean([d for d in daf if d is not None]) == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize(
    "strategy", ["random", "ion_exchange", "composition", "greedy", "p_stable", "expected_improvement"]
)
def test_the_same_seed_gives_the_same_figures(opened: Opened, strategy: str) -> None:
    truth, networks = opened
    plan = Plan(strategy, budget=15, rounds=2)
    one = replay(truth, plan, networks)
    assert figures(one) == figures(replay(truth, plan, networks))
    assert figures(one) != figures(replay(truth, replace(plan, seed=1), networks))
    networked = strategy in ("greedy", "p_stable", "expected_improvement")
    assert all((r.calibration_error is not None) == networked for r in one.rounds)
    assert all((r.mae_pool_ev_per_atom is None) == (strategy in ("random", "ion_exchange")) for r in one.rounds)


def first_round(opened: Opened, plan: Plan, selection: Selection | None = None) -> tuple[Stages, NDArray[np.int64]]:
    """The stages of a replay after one round of the campaign's own loop, and what it chose from."""
    truth, networks = opened
    offered = offered_by(truth, plan)
    stages = replay_stages(truth, plan, offered, networks, selection or Selection())
    run_campaign(stages, stop=lambda reports: "one is enough")
    return stages, offered


@pytest.mark.parametrize(("strategy", "score", "sign"), [("greedy", "e_above_hull", 1), ("p_stable", "p_stable", -1)])
def test_networks_choose_by_what_they_say_of_the_known_hull(
    opened: Opened, strategy: str, score: str, sign: int
) -> None:
    truth, networks = opened
    stages, offered = first_round(opened, Plan(strategy, budget=15))
    said = {p.candidate_id: p for _, p in stages.store.predictions("replay", 1)}
    e_form, spread = networks.predictor.predict(networks.base.id, truth.start.take(offered), silent)
    hull = build_hull(truth.references)
    distance = hull.distances(truth.start.counts[offered], e_form)
    told = networks.predictor.error_model(networks.base.id, hull).p_stable(distance, spread)
    assert np.isfinite(distance).mean() > 0.99
    for i, d, p in zip(offered, distance, told, strict=True):
        found = said.get(truth.labelled.candidates[i].id)
        assert (found is None) == np.isnan(d)
        if found is not None:
            assert found.e_above_hull_ev_per_atom == pytest.approx(d, abs=1e-6)
            assert found.p_stable == pytest.approx(p, abs=1e-6)
    chosen = [c for c, _ in stages.store.selected("replay", 1)]
    formulas = {c.crystal.reduced_formula for c in chosen}
    assert len(formulas) == 15
    field = {"e_above_hull": "e_above_hull_ev_per_atom"}.get(score, score)
    rest = [p for c, p in stages.store.predictions("replay", 1) if c.crystal.reduced_formula not in formulas]
    best_left = min(sign * getattr(p, field) for p in rest)
    assert max(sign * getattr(said[c.id], field) for c in chosen) <= best_left + 1e-12


def test_ion_exchange_takes_the_likeliest_first(opened: Opened) -> None:
    truth, _ = opened
    stages, offered = first_round(opened, Plan("ion_exchange", budget=10), Selection(per_composition=1))
    likely = np.array([c.probability for c, _ in stages.store.selected("replay", 1)])
    assert (np.diff(likely) <= 0).all()
    assert likely[0] == np.nanmax([truth.labelled.candidates[i].probability for i in offered])


def test_the_hull_grows_with_what_is_verified(opened: Opened) -> None:
    """Verdicts of the last round are those of a hull of the references and everything verified by then."""
    truth, networks = opened
    plan = Plan("random", budget=25, rounds=3)
    stages = replay_stages(truth, plan, offered_by(truth, plan), networks, Selection())
    run_campaign(stages, stop=lambda reports: "three" if len(reports) == 3 else "")
    outcomes = [v for r in (1, 2, 3) for v in stages.store.outcomes("replay", r)]
    assert len(outcomes) == 75
    ids = [v.candidate_id for v in outcomes if v.ok]
    expected = build_hull(truth.references.add(outcomes)).verdicts(ids)
    verdicts = stages.store.verdicts("replay", 3)
    assert verdicts.keys() == set(ids)
    place = {c.id: i for i, c in enumerate(truth.labelled.candidates)}
    for i, found in zip(ids, expected, strict=True):
        assert verdicts[i].e_above_hull_ev_per_atom == pytest.approx(found.e_above_hull_ev_per_atom, abs=1e-9)
        assert verdicts[i].novel == truth.novel[place[i]]
    late = [verdicts[v.candidate_id] for v in stages.store.outcomes("replay", 3) if v.ok]
    one = replay(truth, plan, networks)
    assert one.rounds[-1].hit_rate_then == pytest.approx(sum(v.stable and v.novel for v in late) / 25)


def test_a_replay_ends_when_enough_is_found(opened: Opened) -> None:
    truth, networks = opened
    whole = replay(truth, Plan("random", budget=60, rounds=1000), networks)
    one = replay(truth, Plan("random", budget=60, rounds=1, until=0.5), networks)
    assert one.rounds[-1].found >= 0.5 * one.stable > one.rounds[-2].found
    assert one.verifications_to(0.5) == whole.verifications_to(0.5)
    assert one.verifications_to(1.0) is None


def test_kept_results_are_not_run_again_and_a_torn_line_is(opened: Opened, tmp_path: Path) -> None:
    truth, networks = opened
    plans = make_plans(["perfect", "random"], ["none"], 2, 10, 2)
    kept = tmp_path / "results.jsonl"

    def run(settings: dict[str, int], again: bool = False) -> Sequence[Replay]:
        return run_replays(truth, plans, networks, Selection(), settings, kept, again)

    first = run({})
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:3]) + lines[3][:50])  # killed in the middle of writing
    second = run({})
    assert second[:3] == first[:3]  # to the last digit of the seconds
    assert [figures(one) for one in second] == [figures(one) for one in first]
    assert run({}) == second
    assert run({"epochs": 1}) != second  # other settings are another benchmark
    assert run({}, again=True) != second


def test_plans() -> None:
    plans = make_plans(["random", "p_stable"], ["none", "base"], 2, 10, 6)
    assert [(p.strategy, p.retrain, p.seed) for p in plans] == [
        ("random", "none", 0), ("random", "none", 1), ("p_stable", "none", 0), ("p_stable", "none", 1),
        ("p_stable", "base", 0), ("p_stable", "base", 1),
    ]  # fmt: skip
    assert {p.retrain for p in make_plans(["random", "greedy"], ["continue"], 1, 10, 6)} == {"none", "continue"}
    with pytest.raises(ConfigError, match="no strategy 'best'"):
        make_plans(["best"], ["none"], 1, 10, 6)
    with pytest.raises(ConfigError, match="no strategy is named"):
        make_plans([], ["none"], 1, 10, 6)
    with pytest.raises(ConfigError, match="no way of retraining 'twice'"):
        make_plans(["random"], ["twice"], 1, 10, 6)


def test_bands() -> None:
    assert band([3.0, None, 1.0, 2.0]) == (1.0, 2.0, 3.0)
    assert band([None]) is None


def test_two_levels_never_meet() -> None:
    references, labelled, _ = seed_pool(ELEMENTS)
    pairs = [(c, replace(v, level="other-1")) for c, v in zip(labelled.candidates, labelled.outcomes, strict=True)]
    with pytest.raises(LevelMismatchError, match=r"other-1.*chgnet"):
        make_ground_truth(references, LabelledPool.make(pairs, ""), make_novelty(), build_hull)


@pytest.mark.soak
@pytest.mark.parametrize("retrain", ["base", "continue"])
def test_retraining_is_repeatable_and_goes_on_from_where_it_should(
    directory: Path, tmp_path: Path, retrain: str
) -> None:
    """A small network, trained here: what it makes of the pool changes, and a second run reads what the first kept."""
    small = Predict(members=2, width=16, epochs=2, retrain_epochs=2, processes=1)
    opened = open_replay(CampaignConfig(predict=small), Settings(home=tmp_path), directory)
    plan = Plan("p_stable", retrain, budget=20, rounds=3)  # type: ignore[arg-type]
    one = replay(opened[0], plan, opened[1])
    ids = [r.model_id for r in one.rounds]
    promoted = [r.promoted for r in one.rounds]
    assert promoted[-1] is not None  # after the last round, too, as in any campaign
    assert all((ids[k + 1] != ids[k]) == promoted[k] for k in range(2))
    kept = {path.name for path in (tmp_path / "replay" / "models").glob("gnn-*")}
    assert len(kept) == 4
    again = open_replay(CampaignConfig(predict=small), Settings(home=tmp_path), directory)
    assert figures(replay(again[0], plan, again[1])) == figures(one)
    assert {path.name for path in (tmp_path / "replay" / "models").glob("gnn-*")} == kept
    assert set(by_arm([one])) == {("p_stable", retrain)}


def test_networks_may_begin_with_a_part_of_what_is_known(directory: Path, tmp_path: Path, opened: Opened) -> None:
    """The same world; networks are trained and rehearsed on a share of the formulas, and on all elements."""
    small = Predict(members=1, width=8, epochs=1, processes=1)
    config, settings = CampaignConfig(predict=small), Settings(home=tmp_path)
    truth, networks = open_replay(config, settings, directory, known=0.3)
    every, _ = opened
    assert truth.labelled.id == every.labelled.id
    assert (truth.stable == every.stable).all()
    formulas = set(every.references.crystals.reduced_formulas())
    begun_with = set(networks.known.crystals.reduced_formulas())
    of_part = [e for e in every.references if e.crystal.reduced_formula in begun_with]
    assert len(of_part) == len(networks.known)  # all crystals of a formula, or none
    elements = {e.crystal.reduced_formula for e in every.references if "-" not in e.crystal.chemical_system}
    assert elements <= begun_with
    assert 0.2 < len(begun_with - elements) / len(formulas - elements) < 0.4
    known = len(networks.known) + 0.4 * len(SeedSource().inputs())  # and their unrelaxed crystals
    assert networks.base.n_train <= known < len(every.references) + len(SeedSource().inputs())
    with pytest.raises(ConfigError, match="composition"):
        replay(truth, Plan("composition", budget=5, rounds=1), networks)
