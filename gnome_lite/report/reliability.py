"""A reliability diagram: of the crystals said to be stable with some probability, how many were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.metrics import calibration_error, reliability
from gnome_lite.report.figures import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_figure(p_stable: NDArray[np.float64], stable: NDArray[np.bool_], bins: int = 5) -> Figure:
    """Observed share of stable crystals against P(stable), with how many crystals each point stands for.

    Bars are one standard error of a share of so many; the diagonal is perfect calibration.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.0), dpi=110, layout="constrained")
    axes = figure.subplots()
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
    axes.spines[["top", "right"]].set_visible(False)
    return figure
