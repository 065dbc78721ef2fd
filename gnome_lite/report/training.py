"""Figures of a training: loss of each epoch, and predictions of the hold-out against their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.report.figures import BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def history_figure(history: Sequence[Sequence[tuple[float, float]]], title: str = "") -> Figure:
    """Loss and hold-out error, meV/atom, of each member by epoch; the axis is logarithmic.

    Args:
        history: of each member, of each epoch: (mean loss, hold-out error or NaN), eV/atom.
        title: over the figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axes = figure.subplots()
    for i, member in enumerate(history):
        values = 1000 * np.array(member).reshape(-1, 2)
        epochs = np.arange(1, len(values) + 1)
        for column, colour, label in ((0, BLUE, "training loss"), (1, VERMILION, "hold-out error")):
            axes.plot(epochs, values[:, column], color=colour, lw=1.2, alpha=0.8, label=label if i == 0 else None)
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean absolute error (meV/atom)")
    axes.grid(which="both", axis="y", lw=0.4, color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def parity_figure(labels: NDArray[np.float64], predicted: NDArray[np.float64], title: str = "") -> Figure:
    """Predicted over labelled formation energy, eV/atom, [n] each, with the error's distribution beside it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), dpi=110, layout="constrained")
    parity, errors = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
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
    for axes in (parity, errors):
        axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure
