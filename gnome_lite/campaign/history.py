"""A campaign's own past, as its store holds it: what each round predicts from and learns from."""

from __future__ import annotations

import numpy as np

from gnome_lite.campaign.context import Context
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import History


def prediction_history(context: Context, round: int, model_id: str) -> History:
    """Return what was predicted of crystals verified in earlier rounds, what was found, and what the model says now."""
    stages = context.stages
    triples = [t for t in stages.store.predicted_and_verified(stages.config.name, round) if t[2].ok]
    crystals = CrystalBatch.from_crystals(v.crystal for *_, v in triples)
    then = np.array([p.e_form_ev_per_atom for _, p, _ in triples])
    now, by_others = then.copy(), [i for i, (_, p, _) in enumerate(triples) if p.model_id != model_id]
    if by_others:
        inputs = CrystalBatch.from_crystals(triples[i][0].crystal for i in by_others)
        now[by_others], _ = stages.predictor.predict(model_id, inputs, stages.progress)
    elemental = context.phases().elemental_ev_per_atom
    return History(
        then,
        np.array([p.spread_ev_per_atom for _, p, _ in triples]),
        formation_energies(crystals.counts, [v.energy_ev for *_, v in triples], elemental),
        np.array([p.e_above_hull_ev_per_atom for _, p, _ in triples]),
        crystals.counts,
        now,
    )


def training_sets(context: Context, round: int) -> tuple[TrainingSet, TrainingSet]:
    """Return what the networks are trained on after a round: what was known beside this campaign, and what it found.

    The first holds the reference phases and what other campaigns of the store verified; the second each crystal that
    this campaign selected, as it relaxed and as it was proposed, with the formation energy of the relaxed one.
    """
    store, name, phases = context.stages.store, context.stages.config.name, context.phases()
    proposed = {c.id: c.crystal for r in range(1, round + 1) for c, _ in store.selected(name, r)}
    mine = sorted(
        (i for i in range(phases.n_references, len(phases)) if phases.ids[i] in proposed), key=phases.ids.__getitem__
    )
    others = np.ones(len(phases), dtype=bool)
    others[mine] = False
    e_form = phases.e_form_ev_per_atom
    unrelaxed = CrystalBatch.from_crystals(proposed[phases.ids[i]] for i in mine)
    found = CrystalBatch.concatenate([phases.crystals.take(np.array(mine, np.int64)), unrelaxed])
    return (
        TrainingSet(phases.crystals.take(others), e_form[others]),
        TrainingSet(found, np.concatenate([e_form[mine], e_form[mine]])),
    )
