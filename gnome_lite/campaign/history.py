"""What a campaign has found so far, as its store holds it: what each round predicts from and learns from."""

from __future__ import annotations

import numpy as np

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import formation_energies
from gnome_lite.core.records import Verification
from gnome_lite.pipeline import PastPredictions, Stages


def all_verified(stages: Stages) -> list[Verification]:
    """Everything verified without failure at this level, by any campaign of this store."""
    return [v for v in stages.store.verifications(stages.verifier.level) if v.ok]


def outcomes_of(stages: Stages, round: int) -> list[Verification]:
    """Verifications of a round's selection, in rank order."""
    done = {v.candidate_id: v for v in stages.store.verifications(stages.verifier.level)}
    return [done[c.id] for c, _ in stages.store.selected(stages.config.name, round) if c.id in done]


def past_predictions(stages: Stages, round: int, model_id: str) -> PastPredictions:
    """What was predicted of the crystals verified in earlier rounds of this campaign, what was found, and what the
    model in force would predict."""
    store, name, references = stages.store, stages.config.name, stages.source.load()
    triples = [
        (*predicted[v.candidate_id], v)
        for earlier in range(1, round)
        for predicted in [{c.id: (c, p) for c, p in store.predictions(name, earlier)}]
        for v in outcomes_of(stages, earlier)
        if v.ok and v.candidate_id in predicted
    ]
    crystals = CrystalBatch.from_crystals(v.crystal for *_, v in triples)
    then = np.array([p.e_form_ev_per_atom for _, p, _ in triples])
    now, by_others = then.copy(), [i for i, (_, p, _) in enumerate(triples) if p.model_id != model_id]
    if by_others:
        inputs = CrystalBatch.from_crystals(triples[i][0].crystal for i in by_others)
        now[by_others], _ = stages.predictor.predict(model_id, inputs, stages.progress)
    return PastPredictions(
        then,
        np.array([p.spread_ev_per_atom for _, p, _ in triples]),
        formation_energies(crystals.counts, [v.energy_ev for *_, v in triples], references.elemental_ev_per_atom),
        np.array([p.e_above_hull_ev_per_atom for _, p, _ in triples]),
        crystals.counts,
        now,
    )
