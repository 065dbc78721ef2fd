"""The steps of a round: each reads the store, does one thing, commits, and returns a few figures as JSON.

A step may be run again after a kill and then writes the same rows: what it draws comes from the
campaign's seed, the round and the step's name alone. Energies in eV or eV/atom throughout.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from gnome_lite.campaign.acquisition import scores_of
from gnome_lite.campaign.context import Surroundings, index_of_known, near_hull
from gnome_lite.campaign.higher_levels import climb
from gnome_lite.campaign.history import all_verified, outcomes_of, prediction_history
from gnome_lite.campaign.reevaluate import affected, first_verdict, has_moved, moved_to
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import LevelMismatchError
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.phases import formation_energies
from gnome_lite.core.records import CandidatePool, RoundReport, TrainingSet, Verdict
from gnome_lite.pipeline import Stages

RANKED_AT_ONCE = 16
"""Verifications between two looks at the seconds spent."""

Step = Callable[[Stages, int], dict[str, Any]]


def prepare(stages: Stages) -> dict[str, Any]:
    """Load the known crystals, check their level, have a base model."""
    references = stages.source.load()
    if references.level != stages.verifier.level:
        raise LevelMismatchError(
            f"references are of level {references.level}, the verifier of {stages.verifier.level}: "
            "choose sources and verify.calculator of one level"
        )
    stages.store.begin(stages.config, references)
    model = stages.store.base_model(stages.config.name)
    if model is None:
        model = stages.predictor.base(references, stages.progress)
        stages.store.add_model(stages.config.name, 0, model, {})
    return {"references": len(references), "level": references.level, "model": model.id}


def generate(stages: Stages, round: int) -> dict[str, Any]:
    """Candidates of this round: made, gated, and stripped of what is already known."""
    config, references = stages.config, stages.source.load()
    verified = all_verified(stages)
    parents, parent_ids = near_hull(config.generate, stages.build_hull, references, verified, stages.further_parents)
    index = index_of_known(stages.novelty, references, verified)
    seen: set[str] = set()
    kept: list[CandidatePool] = []
    probability: dict[str, float] = {}
    likelier: dict[str, CandidatePool] = {}
    causes: Counter[str] = Counter()
    n_made = n_duplicates = n_kept = 0
    stream = stages.candidates.stream(parents, parent_ids, round, _seed(stages, round, "generate"))
    for chunk in stream:
        n_made += len(chunk)
        refused = stages.gate.causes(chunk.crystals)
        causes.update(c for c in refused if c)
        chunk = chunk.take([not c for c in refused])
        formulas = chunk.crystals.reduced_formulas()
        for stored in stages.store.candidates_with_formulas(set(formulas) - seen).values():
            for c in stored:
                index.add(c.id, c.crystal)
        seen.update(formulas)
        ids = [crystal.content_id for crystal in chunk.crystals]
        equal = index.admit(ids, chunk.crystals)
        fresh = [i for i, other in enumerate(equal) if other is None]
        n_duplicates += len(chunk) - len(fresh)
        fresh = fresh[: config.generate.candidates - n_kept]
        weights = np.nan_to_num(chunk.probabilities, nan=-1.0).tolist()
        probability |= {ids[i]: weights[i] for i in fresh}
        for i, other in enumerate(equal):
            if other in probability and weights[i] > probability[other]:
                probability[other], likelier[other] = weights[i], chunk.take([i])
        n_kept += len(fresh)
        kept.append(chunk.take(np.array(fresh, dtype=np.int64)))
        stages.progress("generate", n_kept, config.generate.candidates, f"{n_made} made")
        if n_kept == config.generate.candidates:
            break
    pool = CandidatePool.concatenate(kept, round)
    # Two ways may lead to one crystal: it keeps the likelier one's provenance, whichever came first.
    stay = [i for i, crystal in enumerate(pool.crystals) if crystal.content_id not in likelier]
    pool = CandidatePool.concatenate([pool.take(np.array(stay, dtype=np.int64)), *likelier.values()], round)
    figures = {
        "parents": len(parents),
        "generated": n_made,
        "gated": sum(causes.values()),
        "gate_causes": dict(causes.most_common()),
        "duplicates": n_duplicates,
        "kept": n_kept,
        "kept_by_generator": dict(Counter(pool.generators).most_common()),
        "skipped": {**stages.further_parents.skipped, **dict(stream.skipped.most_common())},
    }
    stages.store.add_candidates(config.name, pool, stages.novelty.fingerprints(pool.crystals), figures)
    return figures


def predict(stages: Stages, round: int) -> dict[str, Any]:
    """Formation energy, spread, distance to the known hull and P(stable) of every unverified candidate."""
    config, store = stages.config, stages.store
    candidates = store.unverified(config.name, round, stages.verifier.level, config.predict.carry_over)
    model = store.model(config.name, round)
    hull = stages.build_hull(stages.source.load(), all_verified(stages))
    history = prediction_history(stages, round)
    predictions = stages.predictor.rank(model.id, candidates, hull, history, stages.acquisition, stages.progress)
    figures = {"predicted": len(predictions), "unpredictable": len(candidates) - len(predictions), "model": model.id}
    store.add_predictions(config.name, round, predictions, figures)
    return figures


def select(stages: Stages, round: int) -> dict[str, Any]:
    """Which candidates to verify, and a random control from the same pool."""
    pool = stages.store.predictions(stages.config.name, round)
    scores = scores_of(pool)
    chosen, control = stages.acquisition.select(scores, np.random.default_rng(_seed(stages, round, "select")))
    screened = int((scores["e_above_hull"] <= stages.config.select.e_above_hull_max).sum())
    expected = float(scores["p_stable"][chosen].mean()) if len(chosen) else None
    figures = {
        "screened": screened,
        "chosen": len(chosen),
        "control": len(control),
        "expected_hit_rate": expected,
    }
    ids = [c.id for c, _ in pool]
    stages.store.add_selection(stages.config.name, round, [ids[i] for i in chosen], [ids[i] for i in control], figures)
    return figures


def verify(stages: Stages, round: int) -> dict[str, Any]:
    """Relax what was selected; each outcome is committed as it ends, so none is ever done twice."""
    store, name = stages.store, stages.config.name
    selected = [c for c, _ in store.selected(name, round)]
    done = {v.candidate_id for v in store.verifications(stages.verifier.level)}
    pending = [c for c in selected if c.id not in done]
    n_done = len(selected) - len(pending)
    limit_s = stages.config.select.budget_s or float("inf")
    spent_s = sum(v.seconds for v in outcomes_of(stages, round))
    # A verifier takes the dearest first; where not all may be reached, rank goes before.
    at_once = len(pending) if stages.config.select.budget_s is None else RANKED_AT_ONCE
    while pending and spent_s < limit_s:
        for outcome in stages.verifier.verify(pending[:at_once]):
            store.add_verification(name, round, outcome)
            n_done += 1
            spent_s += outcome.seconds
            note = str(outcome.failure) if outcome.failure else outcome.crystal.reduced_formula
            stages.progress("verify", n_done, len(selected), note)
        pending = pending[at_once:]
    outcomes = outcomes_of(stages, round)
    causes = Counter(str(v.failure) for v in outcomes if v.failure)
    return {"verified": len(outcomes), "failed": sum(causes.values()), "failures": dict(causes)}


def judge(stages: Stages, round: int) -> dict[str, Any]:
    """Verdicts of the crystals just verified, and again of earlier ones that these have moved."""
    store, name, references = stages.store, stages.config.name, stages.source.load()
    known = all_verified(stages)
    hull = stages.build_hull(references, known)
    mine = {v.candidate_id: v for v in store.verifications(stages.verifier.level, name) if v.ok}
    rank = {c.id: i for i, (c, _) in enumerate(store.selected(name, round))}
    before = store.verdicts(name, round - 1)
    earlier = [v for v in known if v.candidate_id not in rank]
    surroundings = Surroundings(stages.novelty, references, earlier)
    again = affected(hull, before, sorted(mine, key=lambda i: (rank.get(i, -1), i)))
    verdicts: dict[str, Verdict] = {}
    for done, (i, part) in enumerate(zip(again, hull.verdicts(again), strict=True), 1):
        if i not in before:
            verdicts[i] = first_verdict(i, part, stages.verifier.level, surroundings.judge(mine[i]))
        elif has_moved(before[i], part):
            verdicts[i] = moved_to(before[i], part)
        stages.progress("judge", done, len(again), mine[i].crystal.reduced_formula)
    standing = before | verdicts
    stable = [v for v in standing.values() if v.stable]
    figures = {
        "judged": len(standing),
        "affected": sum(i in before for i in again),
        "moved": sum(i in before for i in verdicts),
        "stable": len(stable),
        "novel": sum(v.novel for v in stable),
        "hull": hull.id,
        "entries": dict(hull.census),
        "licences": references.licences,
    }
    store.add_verdicts(name, round, list(verdicts.values()), figures)
    return figures


def learn(stages: Stages, round: int) -> dict[str, Any]:
    """Retrain on references and all verified crystals, relaxed and unrelaxed."""
    store, name, references = stages.store, stages.config.name, stages.source.load()
    origin = store.model(name, round) if stages.config.predict.retrain_from == "last" else store.base_model(name)
    assert origin is not None, "prepare records the base model"
    verified = all_verified(stages)
    inputs = {c.id: c.crystal for r in range(1, round + 1) for c, _ in store.selected(name, r)}
    relaxed = CrystalBatch.from_crystals(v.crystal for v in verified)
    e_form = formation_energies(relaxed.counts, [v.energy_ev for v in verified], references.elemental_ev_per_atom)
    with_input = [i for i, v in enumerate(verified) if v.candidate_id in inputs]
    unrelaxed = CrystalBatch.from_crystals(inputs[verified[i].candidate_id] for i in with_input)
    known = TrainingSet(references.crystals, references.e_form_ev_per_atom)
    new = TrainingSet(CrystalBatch.concatenate([relaxed, unrelaxed]), np.concatenate([e_form, e_form[with_input]]))
    model = stages.predictor.retrain(origin, known, new, stages.config.seed + round, stages.progress)
    figures = {
        "model": model.id,
        "n_train": model.n_train,
        "holdout_mae_ev_per_atom": model.holdout_mae_ev_per_atom,
        "promoted": model.promoted,
    }
    store.add_model(name, round, model, figures)
    return figures


def report(stages: Stages, round: int) -> dict[str, Any]:
    """The round's figures, from what the store holds."""
    store, name = stages.store, stages.config.name
    steps = {step: store.done(name, round, step) or {} for step in (s.__name__ for s in steps_of(stages))}
    verdicts = store.verdicts(name, round)
    role = {c.id: r for c, r in store.selected(name, round)}
    predicted = {c.id: p for c, p in store.predictions(name, round)}
    outcomes = outcomes_of(stages, round)
    judged = [verdicts[v.candidate_id] for v in outcomes if v.candidate_id in verdicts]
    hits = {v.candidate_id for v in judged if v.stable and v.novel}
    new_prototypes = {v.prototype for v in judged if v.candidate_id in hits and v.credibility.new_prototype}
    generator = {c.id: c.generator for c, _ in store.selected(name, round)}
    by_generator = {
        g: {
            "kept": steps["generate"]["kept_by_generator"].get(g, 0),
            "verified": sum(generator[v.candidate_id] == g for v in outcomes),
            "hits": sum(generator[i] == g for i in hits),
        }
        for g in sorted({*steps["generate"]["kept_by_generator"], *generator.values()})
    }
    tried = Counter(role[v.candidate_id] for v in outcomes)
    won = Counter(role[i] for i in hits)
    hit_rate = won["chosen"] / tried["chosen"] if tried["chosen"] else None
    control = won["control"] / tried["control"] if tried["control"] else None
    errors = [abs(predicted[v.candidate_id].e_form_ev_per_atom - v.e_form_ev_per_atom) for v in judged]
    outcome = RoundReport(
        round=round,
        generated=steps["generate"]["generated"],
        gated=steps["generate"]["gated"],
        duplicates=steps["generate"]["duplicates"],
        screened=steps["select"]["screened"],
        verified=len(outcomes),
        control=tried["control"],
        failed=sum(not v.ok for v in outcomes),
        stable=sum(v.stable for v in judged),
        novel=sum(v.novel for v in judged),
        hits=len(hits),
        hit_rate=hit_rate,
        control_hit_rate=control,
        daf=hit_rate / control if hit_rate is not None and control else None,
        mae_ev_per_atom=float(np.mean(errors)) if errors else None,
        calibration_error=calibration_error(
            np.array([predicted[v.candidate_id].p_stable for v in judged]), np.array([v.stable for v in judged])
        ),
        ordering_suspects=sum(v.ordering_suspect for v in judged),
        failures=steps["verify"]["failures"],
        gate_causes=steps["generate"]["gate_causes"],
        model_id=steps["predict"]["model"],
        hull_id=steps["judge"]["hull"],
        seconds={step: figures["seconds"] for step, figures in steps.items() if "seconds" in figures},
        new_prototypes=len(new_prototypes - {""}),
        by_generator=by_generator,
        skipped=steps["generate"]["skipped"],
        expected_hit_rate=steps["select"].get("expected_hit_rate"),
        kept=steps["generate"]["kept"],
    )
    store.add_report(name, outcome)
    return {"hits": outcome.hits, "hit_rate": outcome.hit_rate}


STEPS: tuple[Step, ...] = (generate, predict, select, verify, judge, learn, report)
"""The order of a round."""


def steps_of(stages: Stages) -> tuple[Step, ...]:
    """The order of a round; with a ladder, the survivors climb it before the report."""
    return (*STEPS[:-1], climb, report) if stages.higher_levels else STEPS


def _seed(stages: Stages, round: int, step: str) -> tuple[int, int, int]:
    return stages.config.seed, round, zlib.crc32(step.encode())
