"""From candidates to predictions that can be chosen from: energy, distance to the hull, and what these promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import Candidate, Prediction
from gnome_lite.pipeline import Acquisition, Hull, Progress, Scores, labels
from gnome_lite.predict.cascade import Energies, cascade
from gnome_lite.predict.ensemble import Ensemble
from gnome_lite.predict.error_model import ErrorModel
from gnome_lite.predict.residual_gp import ResidualGP


def rank_candidates(
    ensemble: Ensemble,
    predict: Callable[[CrystalBatch], tuple[NDArray[np.float64], NDArray[np.float64]]],
    energies: Energies,
    candidates: Sequence[Candidate],
    hull: Hull,
    errors: ErrorModel,
    residual: ResidualGP,
    acquisition: Acquisition | None,
    volume_scan: int,
    threads: int,
    progress: Progress,
) -> list[Prediction]:
    """Return the predictions of candidates in their order, without those that cannot be predicted.

    What like compositions still err by is expected to be added to a predicted distance before P(stable) and the
    expected improvement are worked out; the distance itself is kept as the networks say it.

    Args:
        energies: of some members, as `Ensemble.energies`.
        predict: all members' formation energy and spread of crystals, eV/atom, [n] each.
        errors, residual: what predictions of this ensemble are off by.
        acquisition: only what it could choose is predicted in full; None predicts all in full.
        volume_scan: as of `Ensemble.predict`.
    """
    crystals, names = CrystalBatch.from_crystals(c.crystal for c in candidates), labels(candidates)
    ground = -hull.distances(crystals.counts, np.zeros(len(crystals)))
    off = residual(crystals.counts)

    def score(
        which: NDArray[np.int64], e_form_ev_per_atom: NDArray[np.float64], spread_ev_per_atom: NDArray[np.float64]
    ) -> Scores:
        spread, distance = spread_ev_per_atom, e_form_ev_per_atom - ground[which]
        expected = distance + off[which]
        return {name: values[which] for name, values in names.items()} | {
            "e_above_hull": distance,
            "spread": spread,
            "p_stable": errors.p_stable(expected, spread),
            "expected_improvement": errors.expected_improvement(expected, spread),
        }

    if acquisition is None:
        e_form, spread = predict(crystals)
    else:
        n_members = len(ensemble.networks)
        e_form, spread = cascade(energies, n_members, crystals, score, acquisition, volume_scan, threads, progress)
    scores = score(np.arange(len(candidates)), e_form, spread)
    rows = np.stack([e_form, *(scores[k] for k in ("spread", "e_above_hull", "p_stable", "expected_improvement"))])
    return [
        Prediction(c.id, e, s, d, p, ensemble.card.id, gain)
        for c, (e, s, d, p, gain) in zip(candidates, rows.T.tolist(), strict=True)
        if np.isfinite([e, s, d, p, gain]).all()
    ]
