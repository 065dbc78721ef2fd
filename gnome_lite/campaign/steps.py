"""The steps of a round: each reads the store, does one thing, commits, and returns a few figures as JSON.

A step may be run again after a kill and then writes the same rows: what it draws comes from the campaign's seed, the
round and the step alone. Energies in eV or eV/atom throughout.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from gnome_lite.campaign.acquisition import scores_of
from gnome_lite.campaign.admission import Admission
from gnome_lite.campaign.context import Context
from gnome_lite.campaign.higher_levels import levels
from gnome_lite.campaign.history import prediction_history, training_sets
from gnome_lite.campaign.reevaluate import affected, first_verdict, moved
from gnome_lite.campaign.round_report import report
from gnome_lite.campaign.stages import Stages
from gnome_lite.core.crystals import chemical_system
from gnome_lite.core.errors import LevelMismatchError
from gnome_lite.core.records import CandidatePool, Verdict
from gnome_lite.generate.sift import Tally, sift
from gnome_lite.pipeline import Figures
from gnome_lite.stability.reference_coverage import coverage_figures

RANKED_AT_ONCE = 16
"""Verifications between two looks at the seconds spent."""

Step = Callable[[Context, int], dict[str, Any]]


def prepare(context: Context) -> dict[str, Any]:
    """Load the reference phases, check their level, and store the base model."""
    stages, references = context.stages, context.stages.source.load()
    if references.level != context.level:
        raise LevelMismatchError(
            f"references are of level {references.level}, the verifier of {context.level}: "
            "choose sources and verify.calculator of one level"
        )
    stages.store.begin(stages.config, references)
    model = stages.store.base_model(stages.config.name)
    if model is None:
        model = stages.predictor.base(references, stages.progress)
        stages.store.add_model(stages.config.name, 0, model, {})
    return {"references": len(references), "level": references.level, "model": model.id}


def generate(context: Context, round: int) -> dict[str, Any]:
    """Make the candidates of this round: those that pass the gate and equal no phase and no earlier candidate."""
    stages, config = context.stages, context.stages.config
    parents, parent_ids = context.parents(round)
    admission = Admission(stages.store, stages.novelty, context.index())
    tally = Tally()
    kept: list[CandidatePool] = []
    probability: dict[str, float] = {}
    likelier: dict[str, CandidatePool] = {}
    stream = stages.candidates.stream(parents, parent_ids, round, _seed(context, round, "generate"))
    for part in sift(stream, stages.gate, admission.compare, tally, config.generate.candidates):
        kept.append(part.kept)
        probability |= dict(zip(part.kept.crystals.content_ids, _weights(part.kept), strict=True))
        for i, (other, weight) in enumerate(zip(part.same_as, _weights(part.passed), strict=True)):
            if other in probability and weight > probability[other]:
                probability[other], likelier[other] = weight, part.passed.take([i])
        stages.progress("generate", tally.kept, config.generate.candidates, f"{tally.made} made")
    pool = CandidatePool.concatenate(kept, round)
    # Two ways may lead to one crystal: it keeps the likelier one's provenance, whichever came first.
    stay = [i for i, name in enumerate(pool.crystals.content_ids) if name not in likelier]
    pool = CandidatePool.concatenate([pool.take(np.array(stay, dtype=np.int64)), *likelier.values()], round)

    def figures_of(stored: CandidatePool) -> Figures:
        return {
            "parents": len(parents),
            "generated": tally.made,
            "gated": sum(tally.refused.values()),
            "gate_causes": dict(tally.refused.most_common()),
            "duplicates": tally.duplicates + tally.kept - len(stored),
            "kept": len(stored),
            "kept_by_generator": dict(Counter(stored.generators).most_common()),
            "skipped": {**stages.further_parents.skipped, **dict(stream.skipped.most_common())},
        }

    return admission.store(config.name, pool, figures_of)


def predict(context: Context, round: int) -> dict[str, Any]:
    """Rank every unverified candidate: formation energy, spread, distance to the hull of all phases, P(stable)."""
    stages, name = context.stages, context.stages.config.name
    candidates = stages.store.unverified(name, round, context.level, stages.config.predict.carry_over)
    model = stages.store.model(name, round)
    history = prediction_history(context, round)
    predictions = stages.predictor.rank(
        model.id, candidates, context.hull(), history, stages.acquisition, stages.progress, context.engine
    )
    figures = {"predicted": len(predictions), "unpredictable": len(candidates) - len(predictions), "model": model.id}
    stages.store.add_predictions(name, round, predictions, figures)
    return figures


def acquire(context: Context, round: int) -> dict[str, Any]:
    """Choose what to verify, and a random control from the same pool."""
    stages, name = context.stages, context.stages.config.name
    pool = stages.store.predictions(name, round)
    # The label keeps the draws of campaigns that an earlier version began.
    rng = np.random.default_rng(_seed(context, round, "select"))
    scores = scores_of(pool)
    chosen, control = stages.acquisition.select(scores, rng)
    figures = {
        "screened": int((scores["e_above_hull"] <= stages.config.select.e_above_hull_max).sum()),
        "chosen": len(chosen),
        "control": len(control),
        "expected_hit_rate": float(scores["p_stable"][chosen].mean()) if len(chosen) else None,
    }
    ids = [c.id for c, _ in pool]
    stages.store.add_selection(name, round, [ids[i] for i in chosen], [ids[i] for i in control], figures)
    return figures


def verify(context: Context, round: int) -> dict[str, Any]:
    """Relax what was selected; each outcome is committed as it ends, so none is ever done twice."""
    stages, store, name = context.stages, context.stages.store, context.stages.config.name
    selected = [c for c, _ in store.selected(name, round)]
    outcomes = store.outcomes(name, round)
    done = {v.candidate_id for v in outcomes}
    pending, n_done = [c for c in selected if c.id not in done], len(done)
    limit_s = stages.config.select.budget_s or float("inf")
    spent_s = sum(v.seconds for v in outcomes)
    # A verifier takes the largest crystals first; where the time may not be enough for all, rank goes before.
    at_once = len(pending) if stages.config.select.budget_s is None else RANKED_AT_ONCE
    while pending and spent_s < limit_s:
        for outcome in context.relax(stages.verifier, pending[:at_once], round):
            n_done += 1
            spent_s += outcome.seconds
            stages.progress("verify", n_done, len(selected), outcome.note)
        pending = pending[at_once:]
    outcomes = store.outcomes(name, round)
    causes = Counter(str(v.failure) for v in outcomes if v.failure)
    return {"verified": len(outcomes), "failed": sum(causes.values()), "failures": dict(causes)}


def judge(context: Context, round: int) -> dict[str, Any]:
    """Give verdicts to the crystals just verified, and again to earlier ones that these have moved."""
    stages, store, name = context.stages, context.stages.store, context.stages.config.name
    mine = {v.candidate_id: v for v in store.outcomes(name, round) if v.ok}
    before = store.verdicts(name, round - 1)
    hull, phases = context.hull(), context.phases()
    novelty = context.novelty_before(mine)
    again = affected(hull, before, [*sorted(i for i in before if i not in mine), *mine])
    verdicts: dict[str, Verdict] = {}
    for done, (i, place) in enumerate(zip(again, hull.verdicts(again), strict=True), 1):
        at = phases.index(i)
        if i not in before:
            verdicts[i] = first_verdict(i, place, context.level, novelty.judge(mine[i], phases.fingerprints[at]))
        elif (now := moved(before[i], place)) is not before[i]:
            verdicts[i] = now
        stages.progress("judge", done, len(again), phases.formulas[at])
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
        "licences": phases.references.licence_counts,
        "coverage": coverage_figures(phases, {chemical_system(phases.elements(phases.index(i))) for i in verdicts}),
    }
    store.add_verdicts(name, round, list(verdicts.values()), figures)
    return figures


def learn(context: Context, round: int) -> dict[str, Any]:
    """Retrain on the references and what campaigns have verified, unless it never retrains."""
    stages, name = context.stages, context.stages.config.name
    if stages.config.predict.retrain == "never":
        return {"model": stages.store.model(name, round).id}
    last = stages.config.predict.retrain_from == "last"
    origin = stages.store.model(name, round) if last else stages.store.base_model(name)
    assert origin is not None, "prepare records the base model"
    known, new = training_sets(context, round)
    model = stages.predictor.retrain(origin, known, new, stages.config.seed + round, stages.progress)
    figures = {
        "model": model.id,
        "n_train": model.n_train,
        "holdout_mae_ev_per_atom": model.holdout_mae_ev_per_atom,
        "promoted": model.promoted,
    }
    stages.store.add_model(name, round, model, figures)
    return figures


STEPS: tuple[Step, ...] = (generate, predict, acquire, verify, judge, learn, report)
"""The order of a round."""


def steps_of(stages: Stages) -> tuple[Step, ...]:
    """Return the steps of a round; with higher levels of theory, survivors are verified there before the report."""
    return (*STEPS[:-1], levels, report) if stages.higher_levels else STEPS


def _seed(context: Context, round: int, label: str) -> tuple[int, int, int]:
    return context.stages.config.seed, round, zlib.crc32(label.encode())


def _weights(pool: CandidatePool) -> list[float]:
    """Return the generator's probabilities, -1 where it has none, [n]."""
    return [float(p) for p in np.nan_to_num(pool.probabilities, nan=-1.0)]
