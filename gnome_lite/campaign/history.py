"""What a campaign has found so far, as its store holds it: what each round predicts from and learns from."""

from __future__ import annotations

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.phases import formation_energies
from gnome_lite.core.records import Verification
from gnome_lite.pipeline import PredictionHistory, Stages


def all_verified(stages: Stages) -> list[Verification]:
    """Everything verified without failure at this level, by any campaign of this store."""
    return [v for v in stages.store.verifications(stages.verifier.level) if v.ok]


def outcomes_of(stages: Stages, round: int) -> list[Verification]:
    """Verifications of a round's selection, in rank order."""
    done = {v.candidate_id: v for v in stages.store.verifications(stages.verifier.level)}
    return [done[c.id] for c, _ in stages.store.selected(stages.config.name, round) if c.id in done]


def prediction_history(stages: Stages, round: int) -> PredictionHistory:
    """What was predicted of the crystals verified in earlier rounds of this campaign, and what was found."""
    store, name, references = stages.store, stages.config.name, stages.source.load()
    triples = [
        (*predicted[v.candidate_id], v)
        for earlier in range(1, round)
        for predicted in [{c.id: (c, p) for c, p in store.predictions(name, earlier)}]
        for v in outcomes_of(stages, earlier)
        if v.ok and v.candidate_id in predicted
    ]
    counts = CrystalBatch.from_crystals(v.crystal for *_, v in triples).counts
    return PredictionHistory(
        CrystalBatch.from_crystals(c.crystal for c, *_ in triples),
        tuple(p for _, p, _ in triples),
        formation_energies(counts, [v.energy_ev for *_, v in triples], references.elemental_ev_per_atom),
    )
