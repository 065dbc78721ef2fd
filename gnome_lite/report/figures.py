"""Figures: the history of a campaign. Drawn on bare matplotlib figures, so that no global state or window is touched.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; every series also has its own marker.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.core.records import RoundReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C"
MAX_TICKS = 12


def round_figure(reports: Sequence[RoundReport], title: str = "") -> Figure:
    """Counts, hit rates and network error of each round, three panels side by side.

    Every axis starts at zero and every point carries its number: a campaign has few rounds, so the
    figures are worth reading, and a bar cut at its foot would flatter them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.6), dpi=110, layout="constrained")
    counts, rates, errors = figure.subplots(1, 3)
    _counts(counts, reports)
    _rates(rates, reports)
    _errors(errors, reports)
    rounds = [r.round for r in reports]
    step = max(1, -(-len(rounds) // MAX_TICKS))
    for axes in (counts, rates, errors):
        axes.set_xlabel("round")
        axes.set_xticks(rounds[::step])
        if rounds:
            axes.set_xlim(min(rounds) - 0.6, max(rounds) + 0.6)
        axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file in memory."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """The figure as a `data:` URI: both of Prefect's interfaces show it in a Markdown artifact, offline too."""
    return "data:image/png;base64," + b64encode(png(figure)).decode("ascii")


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, SVG or PDF, by the path's suffix.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if the suffix names no format.
    """
    figure.savefig(path)


def _counts(axes: Axes, reports: Sequence[RoundReport]) -> None:
    series = (
        ("verified", [r.verified for r in reports], GREY),
        ("stable", [r.stable for r in reports], ORANGE),
        ("stable and novel", [r.hits for r in reports], BLUE),
    )
    width = 0.27
    for k, (label, values, colour) in enumerate(series):
        bars = axes.bar([r.round + (k - 1) * width for r in reports], values, width * 0.94, label=label, color=colour)
        if len(reports) <= MAX_TICKS:
            axes.bar_label(bars, fontsize=8, padding=1)
    axes.set_ylabel("crystals")
    axes.set_ylim(0, 1.32 * max([1, *(r.verified for r in reports)]))
    axes.set_title("Verified, and found on the hull", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=3, columnspacing=1.0, handlelength=1.0)


def _rates(axes: Axes, reports: Sequence[RoundReport]) -> None:
    series = (
        ("chosen by the network", [(r.round, r.hit_rate) for r in reports], BLUE, "o-", 7),
        ("random control", [(r.round, r.control_hit_rate) for r in reports], VERMILION, "s--", -13),
    )
    for label, points, colour, style, lift in series:
        known = [(x, 100 * y) for x, y in points if y is not None]
        filled = colour if style[0] == "o" else "white"
        axes.plot(
            [x for x, _ in known], [y for _, y in known], style, color=colour, label=label, markerfacecolor=filled
        )
        if len(reports) <= MAX_TICKS:
            for x, y in known:
                # A label under a point at zero would cross the axis.
                offset = (0, 7) if y < 9 else (0, lift)
                axes.annotate(
                    f"{y:.0f} %", (x, y), offset, textcoords="offset points", ha="center", fontsize=8, color=colour
                )
    axes.set_ylim(0, 119)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("hit rate, %")
    axes.set_title("Hit rate (stable and novel)", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, columnspacing=1.0, handlelength=1.8)


def _errors(axes: Axes, reports: Sequence[RoundReport]) -> None:
    known = [(r.round, 1000 * r.mae_ev_per_atom) for r in reports if r.mae_ev_per_atom is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], "D-", color=GREEN)
    if len(reports) <= MAX_TICKS:
        for x, y in known:
            axes.annotate(f"{y:.0f}", (x, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axes.set_ylim(0, 1.25 * max([1.0, *(y for _, y in known)]))
    axes.set_ylabel("meV/atom")
    axes.set_title("Network error (MAE, before it saw them)", fontsize=10, loc="left")
