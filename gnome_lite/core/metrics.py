"""Metrics of predicted stability: pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def calibration_error(p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5) -> float | None:
    """Return the expected calibration error: mean |p - observed share| over equal-width bins, weighted by count.

    Guo et al., ICML 2017. None for no crystals.
    """
    if not len(p_stable):
        return None
    which = np.minimum((p_stable * bins).astype(int), bins - 1)
    gaps = [abs(p_stable[which == b].sum() - stable[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(p_stable))


def reliability(
    p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return mean probability, observed share and count of each bin of a reliability diagram that is not empty."""
    which = np.minimum((p_stable * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    filled = count > 0
    said = np.bincount(which, p_stable, bins)[filled] / count[filled]
    seen = np.bincount(which, stable.astype(np.float64), bins)[filled] / count[filled]
    return said, seen, count[filled]


@dataclass(frozen=True, slots=True)
class DiscoveryMetrics:
    """How well predicted distances above a hull find the crystals that are on it, as Matbench Discovery counts.

    Riebesell et al., Nature Machine Intelligence 7, 836 (2025). A crystal without a prediction counts as predicted
    unstable, and is left out of `mae` and `r2`.

    Attributes:
        n, missing: crystals, and those without a prediction.
        prevalence: share of crystals that are stable.
        precision, recall, f1: of "stable"; None where nothing is predicted stable, or nothing is.
        daf: discovery acceleration factor, precision over prevalence.
        mae_ev_per_atom, r2: of the predicted distances.
    """

    n: int
    missing: int
    prevalence: float
    precision: float | None
    recall: float | None
    f1: float | None
    daf: float | None
    mae_ev_per_atom: float | None
    r2: float | None


def discovery_metrics(
    true_ev_per_atom: NDArray[np.float64], predicted_ev_per_atom: NDArray[np.float64], threshold: float = 0.0
) -> DiscoveryMetrics:
    """Compare distances above the hull of known phases, eV/atom; NaN where there is no prediction. [n] each."""
    stable, said = true_ev_per_atom <= threshold, predicted_ev_per_atom <= threshold  # NaN <= 0 is False
    hits = float((stable & said).sum())
    precision = hits / said.sum() if said.any() else None
    recall = hits / stable.sum() if stable.any() else None
    prevalence = float(stable.mean()) if len(stable) else 0.0
    mae, r2 = regression_metrics(true_ev_per_atom, predicted_ev_per_atom)
    return DiscoveryMetrics(
        n=len(stable),
        missing=int(np.isnan(predicted_ev_per_atom).sum()),
        prevalence=prevalence,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision and recall else None,
        daf=precision / prevalence if precision is not None and prevalence else None,
        mae_ev_per_atom=mae,
        r2=r2,
    )


def regression_metrics(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return mean absolute error and R2 of what was predicted; None where there is too little of it."""
    both = np.isfinite(true) & np.isfinite(predicted)
    if not both.any():
        return None, None
    error = predicted[both] - true[both]
    spread = float(((true[both] - true[both].mean()) ** 2).sum())
    return float(np.abs(error).mean()), 1 - float((error**2).sum()) / spread if spread else None
