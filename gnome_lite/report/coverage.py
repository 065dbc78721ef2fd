"""A reference set as a figure: the pairs of elements it holds, and how far its crystals lie above the hull."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.report.figures import BLUE, ORANGE, canvas
from gnome_lite.seed.statistics import Datasheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FARTHEST_EV_PER_ATOM = 1.0
BIN_EV_PER_ATOM = 0.02


def coverage_figure(sheet: Datasheet, title: str = "") -> Figure:
    """Return a map of single elements and pairs (left) and the distribution of e_above_hull (right)."""
    figure, (pairs, distances) = canvas(12.0, 5.4, 2, title)
    _map(figure, pairs, sheet)
    _distances(distances, sheet)
    return figure


def _map(figure: Figure, axes: Axes, sheet: Datasheet) -> None:
    n = len(sheet.elements)
    # Each pair once, below the diagonal; a pair that is never met stays white.
    counts = np.where(np.tri(n, dtype=bool) & (sheet.with_both > 0), sheet.with_both, np.nan)
    logs = np.log10(counts)
    image = axes.imshow(logs, cmap="viridis", vmin=0.0)
    axes.set_xticks(range(n), sheet.elements, fontsize=8)
    axes.set_yticks(range(n), sheet.elements, fontsize=8)
    for i, j in np.argwhere(np.isfinite(logs)).tolist():
        colour = "white" if logs[i, j] < 0.6 * float(np.nanmax(logs)) else "black"
        axes.text(j, i, str(sheet.with_both[i, j]), ha="center", va="center", fontsize=5.5, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    ticks = [t for t in (0, 1, 2, 3, 4) if t <= np.nanmax(logs) + 0.1]
    bar.set_ticks(ticks, labels=[f"{10**t}" for t in ticks])
    names = {2: "binary", 3: "ternary", 4: "quaternary"}
    covered = ", ".join(f"{have} of {all_} {names[k]}" for k, (have, all_) in sheet.systems.items())
    axes.set_title(f"crystals that hold both elements\nsystems: {covered}", fontsize=9, loc="left")


def _distances(axes: Axes, sheet: Datasheet) -> None:
    e = sheet.e_above_hull_ev_per_atom
    bins = np.arange(0.0, FARTHEST_EV_PER_ATOM + BIN_EV_PER_ATOM, BIN_EV_PER_ATOM)
    axes.hist(np.minimum(e, FARTHEST_EV_PER_ATOM), bins=bins.tolist(), color=BLUE)
    for limit, height in ((0.0, 0.97), (0.05, 0.90), (0.1, 0.83)):
        share = float((e <= limit + 5e-5).mean())
        axes.text(0.98, height, f"{share:.0%} at most {limit:g} eV/atom", transform=axes.transAxes, ha="right",
                  fontsize=9, color=ORANGE)  # fmt: skip
    axes.set_xlabel("energy above hull, eV/atom (last bar: and beyond)")
    axes.set_ylabel("crystals")
    axes.set_title(f"{len(e)} compounds", fontsize=9, loc="left")
