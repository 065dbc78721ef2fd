"""Figures of what a campaign's networks have learnt: their training, and their predictions beside verified energies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.errors import CheckpointError
from gnome_lite.core.metrics import calibration_error, reliability
from gnome_lite.report.figures import BLUE, GREY, VERMILION, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gnome_lite.store.database import SqlStore


def learning_figures(store: SqlStore, campaign: str, round: int) -> dict[str, Figure]:
    """Return figures by title, up to a round; one without anything to show is left out.

    Each crystal stands as it was predicted in the round that verified it; the network is that trained at the end of
    the round.
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


def history_figure(history: Sequence[Sequence[tuple[float, float]]], title: str = "") -> Figure:
    """Return loss and hold-out error, meV/atom, of each member by epoch, on a logarithmic axis.

    Args:
        history: (mean loss, hold-out error or NaN) of each epoch of each member, eV/atom.
        title: over the figure.
    """
    figure, (axes,) = canvas(6.4, 4.0, title=title)
    for i, member in enumerate(history):
        values = 1000 * np.array(member).reshape(-1, 2)
        epochs = np.arange(1, len(values) + 1)
        for column, colour, label in ((0, BLUE, "training loss"), (1, VERMILION, "hold-out error")):
            axes.plot(epochs, values[:, column], color=colour, lw=1.2, alpha=0.8, label=label if i == 0 else None)
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean absolute error (meV/atom)")
    axes.grid(which="both", axis="y", lw=0.4, color="#DDDDDD")
    axes.legend(frameon=False)
    return figure


def parity_figure(labels: NDArray[np.float64], predicted: NDArray[np.float64], title: str = "") -> Figure:
    """Return predicted over labelled formation energies, eV/atom, [n] each, with the error's distribution beside it."""
    figure, (parity, errors) = canvas(9.0, 4.2, 2, title, width_ratios=[1.1, 1.0])
    ends = [float(min(labels.min(), predicted.min())), float(max(labels.max(), predicted.max()))]
    parity.plot(ends, ends, color=GREY, lw=1.0)
    parity.scatter(labels, predicted, s=5, color=BLUE, alpha=0.35, linewidths=0)
    parity.set_aspect("equal")
    parity.set_xlabel("labelled formation energy (eV/atom)")
    parity.set_ylabel("predicted (eV/atom)")
    error = 1000 * (predicted - labels)
    mae, median = np.abs(error).mean(), np.median(np.abs(error))
    r2 = 1 - float(((predicted - labels) ** 2).sum() / ((labels - labels.mean()) ** 2).sum())
    parity.set_title(f"MAE {mae:.1f} meV/atom, R² {r2:.3f}", fontsize=10, loc="left")
    errors.hist(np.clip(error, -200, 200), bins=80, color=BLUE)
    errors.axvline(0, color=GREY, lw=1.0)
    errors.set_xlabel("predicted - labelled (meV/atom), ends: beyond")
    errors.set_ylabel("crystals")
    errors.set_title(f"median |error| {median:.1f} meV/atom, {len(labels)} crystals", fontsize=10, loc="left")
    return figure


def reliability_figure(p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5) -> Figure:
    """Return the observed share of stable crystals over P(stable), with the number of crystals at each point.

    Bars are one standard error of a share of so many; the diagonal is perfect calibration.
    """
    figure, (axes,) = canvas(4.2, 4.0)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    error = calibration_error(p_stable, stable, bins)
    if error is not None:
        said, seen, count = reliability(p_stable, stable, bins)
        # Laplace's rule, so that a share of 0 or 1 of three crystals has a width too.
        share = (seen * count + 1) / (count + 2)
        axes.errorbar(said, seen, np.sqrt(share * (1 - share) / count), fmt="o-", color=BLUE, capsize=3)
        for x, y, n in zip(said, seen, count, strict=True):
            axes.annotate(str(n), (x, y), (6, -11), textcoords="offset points", fontsize=8, color=BLUE)
        axes.set_title(f"{len(p_stable)} crystals, calibration error {error:.3f}", fontsize=10, loc="left")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("P(stable)")
    axes.set_ylabel("share found stable")
    return figure
