"""The report of a round: hit rate, control, acceleration, error and calibration, worked out from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from gnome_lite.campaign.context import Context
from gnome_lite.core.metrics import calibration_error
from gnome_lite.core.novelty_kinds import count_kinds
from gnome_lite.core.records import MISSING_REFERENCE_EV_PER_ATOM, RoundReport, Verdict
from gnome_lite.stability.reference_coverage import coverage_figures

STEPS = ("generate", "predict", "acquire", "verify", "judge", "learn", "levels")
"""Steps whose figures and seconds a report holds."""


def report(context: Context, round: int) -> dict[str, Any]:
    """Work out the round's figures from what the store holds, and store them."""
    store, name = context.stages.store, context.stages.config.name
    steps = {step: store.done(name, round, step) or {} for step in STEPS}
    verdicts = store.verdicts(name, round)
    selected = store.selected(name, round)
    role = {c.id: r for c, r in selected}
    predicted = {c.id: p for c, p in store.predictions(name, round)}
    outcomes = store.outcomes(name, round)
    judged = [verdicts[v.candidate_id] for v in outcomes if v.candidate_id in verdicts]
    hits = {v.candidate_id for v in judged if v.stable and v.novel}
    new_prototypes = {v.prototype for v in judged if v.candidate_id in hits and v.credibility.new_prototype}
    generator = {c.id: c.generator for c, _ in selected}
    by_generator = {
        g: {
            "kept": steps["generate"]["kept_by_generator"].get(g, 0),
            "verified": sum(generator[v.candidate_id] == g for v in outcomes),
            "hits": sum(generator[i] == g for i in hits),
        }
        for g in sorted({*steps["generate"]["kept_by_generator"], *generator.values()})
    }
    tried = Counter(role[v.candidate_id] for v in outcomes)
    hits_by_role = Counter(role[i] for i in hits)
    hit_rate = hits_by_role["chosen"] / tried["chosen"] if tried["chosen"] else None
    control = hits_by_role["control"] / tried["control"] if tried["control"] else None
    errors = [abs(predicted[v.candidate_id].e_form_ev_per_atom - v.e_form_ev_per_atom) for v in judged]
    generate = steps["generate"]
    systems = ["-".join(system) for system in context.stages.config.space.systems]
    outcome = RoundReport(
        round=round,
        **{name: generate[name] for name in ("generated", "gated", "duplicates", "gate_causes", "skipped", "kept")},
        screened=steps["acquire"]["screened"],
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
        model_id=steps["predict"]["model"],
        hull_id=steps["judge"]["hull"],
        seconds={step: figures["seconds"] for step, figures in steps.items() if "seconds" in figures},
        new_prototypes=len(new_prototypes - {""}),
        by_generator=by_generator,
        expected_hit_rate=steps["acquire"].get("expected_hit_rate"),
        too_deep=sum(verdicts[i].decomposition_ev_per_atom < -MISSING_REFERENCE_EV_PER_ATOM for i in hits),
        by_novelty=_by_novelty(judged, hits),
        coverage=coverage_figures(context.phases(), systems),
        confirmed={
            level: (figures["stable"], figures["judged"])
            for level, figures in steps["levels"].get("levels", {}).items()
        },
    )
    store.add_report(name, outcome)
    return {"hits": outcome.hits, "hit_rate": outcome.hit_rate}


def _by_novelty(judged: Sequence[Verdict], hits: Collection[str]) -> dict[str, dict[str, int]]:
    """Return how many novel crystals and how many hits are of each kind, none where verdicts do not tell."""
    novel = count_kinds(v.novelty for v in judged if v.novel)
    of_hits = count_kinds(v.novelty for v in judged if v.candidate_id in hits)
    return {kind: {"novel": n, "hits": of_hits[kind]} for kind, n in novel.items()} if any(novel.values()) else {}
