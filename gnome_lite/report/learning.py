"""Pictures of what a campaign's networks have learnt: their training, and what they said of crystals verified since."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.core.errors import CheckpointError
from gnome_lite.report.reliability import reliability_figure
from gnome_lite.report.training import history_figure, parity_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gnome_lite.store.database import SqlStore


def learning_figures(store: SqlStore, campaign: str, round: int) -> dict[str, Figure]:
    """By title; a picture of which there is nothing to show is left out.

    Args:
        round: the pictures are of all rounds up to this one, each crystal as it was predicted in the round that
            verified it, and of the network trained at this one's end.
    """
    from gnome_lite.predict import checkpoint

    figures = {}
    model = store.model(campaign, round + 1)  # in force at the next one's start
    try:
        history = checkpoint.read(Path(model.path)).history
    except CheckpointError:  # moved away since: the store does not need it
        history = ()
    if any(history):
        figures[f"Training of {model.id}"] = history_figure(history)
    pairs = []
    for earlier in range(1, round + 1):
        verdicts = store.verdicts(campaign, earlier)
        verified = {candidate.id for candidate, _ in store.selected(campaign, earlier)}
        predicted = {candidate.id: said for candidate, said in store.predictions(campaign, earlier)}
        pairs += [(predicted[i], verdicts[i]) for i in sorted(verified & verdicts.keys() & predicted.keys())]
    if pairs:
        said = np.array([p.e_form_ev_per_atom for p, _ in pairs])
        found = np.array([v.e_form_ev_per_atom for _, v in pairs])
        figures[f"Predicted before, verified after: {len(pairs)} crystals"] = parity_figure(found, said)
        p, stable = np.array([p.p_stable for p, _ in pairs]), np.array([v.stable for _, v in pairs])
        figures["P(stable) and the share found stable"] = reliability_figure(p, stable)
    return figures
