"""The history of a campaign, read from its store: earlier predictions with their outcomes, and training sets."""

from __future__ import annotations

import numpy as np

from gnome_lite.campaign.context import Context
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import PredictionHistory


def prediction_history(context: Context, round: int) -> PredictionHistory:
    """Return the earlier rounds' predictions of the crystals that they verified, with the verified energies."""
    stages = context.stages
    triples = stages.store.predicted_and_verified(stages.config.name, round)
    counts = CrystalBatch.from_crystals(v.crystal for *_, v in triples).counts
    elemental = context.phases().elemental_ev_per_atom
    return PredictionHistory(
        CrystalBatch.from_crystals(c.crystal for c, *_ in triples),
        tuple(p for _, p, _ in triples),
        formation_energies(counts, [v.energy_ev for *_, v in triples], elemental),
    )


def training_sets(context: Context, round: int) -> tuple[TrainingSet, TrainingSet]:
    """Return the training sets of the networks after a round: what is known beside this campaign, and what it verified.

    The first holds the reference phases within the campaign's elements and what other campaigns of the store verified;
    the second each crystal that this campaign selected, as it relaxed and as it was proposed, with the formation energy
    of the relaxed one.
    """
    store, name, phases = context.stages.store, context.stages.config.name, context.phases()
    proposed = {c.id: c.crystal for r in range(1, round + 1) for c, _ in store.selected(name, r)}
    mine = sorted(
        (i for i in range(phases.n_references, len(phases)) if phases.ids[i] in proposed), key=phases.ids.__getitem__
    )
    # Of other elements the networks need not know more than they do: their compounds would take the others' turns.
    others = phases.crystals.within(context.stages.config.space.all_elements)
    others[phases.n_references :] = True
    others[mine] = False
    e_form = phases.e_form_ev_per_atom
    unrelaxed = CrystalBatch.from_crystals(proposed[phases.ids[i]] for i in mine)
    found = CrystalBatch.concatenate([phases.crystals.take(np.array(mine, np.int64)), unrelaxed])
    return (
        TrainingSet(phases.crystals.take(others), e_form[others]),
        TrainingSet(found, np.concatenate([e_form[mine], e_form[mine]])),
    )
