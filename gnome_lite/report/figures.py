"""The history of a campaign as a figure, and what all figures share.

They are drawn on bare matplotlib figures, so that no global state or window is touched. Colours are Okabe and Ito's,
which colour-blind readers can tell apart; every series also has its own marker.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.records import RoundReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C"
SKY, PALE = "#56B4E9", "#C6E2F5"
"""Lighter blues, for parts of what is blue."""
MAX_TICKS = 12


def canvas(width: float, height: float, panels: int = 1, title: str = "", **layout: Any) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of a size in inches with panels side by side; `layout` goes to `Figure.subplots`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    every: list[Axes] = np.ravel(figure.subplots(1, panels, **layout)).tolist()
    for axes in every:
        axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure, every


def round_figure(reports: Sequence[RoundReport], title: str = "") -> Figure:
    """Return counts, hit rates and network error of each round, three panels side by side.

    Every axis starts at zero and every point carries its number: a campaign has few rounds, so the
    figures are worth reading, and a bar cut at its foot would flatter them.
    """
    figure, panels = canvas(11.0, 3.6, 3, title)
    rounds = [r.round for r in reports]
    for draw, axes in zip((_counts, _rates, _errors), panels, strict=True):
        draw(axes, reports)
        axes.set_xlabel("round")
        axes.set_xticks(rounds[:: max(1, -(-len(rounds) // MAX_TICKS))])
        if rounds:
            axes.set_xlim(min(rounds) - 0.6, max(rounds) + 0.6)
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """Return a figure as a `data:` URI: both of Prefect's interfaces show it in a Markdown artifact, offline too."""
    return "data:image/png;base64," + b64encode(png(figure)).decode("ascii")


def _counts(axes: Axes, reports: Sequence[RoundReport]) -> None:
    width, told = 0.27, all(r.by_novelty for r in reports)
    for k, label, values, colour in (
        (0, "verified", [r.verified for r in reports], GREY),
        (1, "stable", [r.stable for r in reports], ORANGE),
        (2, "stable and novel", [r.hits for r in reports], BLUE),
    ):
        at = [r.round + (k - 1) * width for r in reports]
        bars = axes.bar(at, values, width * 0.94, color=colour, label=None if k == 2 and told else label)
        if len(reports) <= MAX_TICKS:
            axes.bar_label(bars, fontsize=8, padding=1)
    if told:
        _stack_kinds(axes, reports, width)
    axes.set_ylabel("crystals")
    axes.set_ylim(0, 1.45 * max([1, *(r.verified for r in reports)]))
    axes.set_title("Verified, and found on the hull", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, columnspacing=1.0, handlelength=1.0)


def _stack_kinds(axes: Axes, reports: Sequence[RoundReport], width: float) -> None:
    """Draw over each bar of hits what is new about them, one kind on top of the other."""
    foot = np.zeros(len(reports))
    for kind, colour in zip(NoveltyKind, (BLUE, SKY, PALE), strict=True):
        values = np.array([r.by_novelty[kind]["hits"] for r in reports])
        axes.bar([r.round + width for r in reports], values, width * 0.94, foot, color=colour, label=f"hits: {kind}")
        foot = foot + values


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
        # A label under a point at zero would cross the axis.
        _label(axes, reports, [(x, y, f"{y:.0f} %", 7 if y < 9 else lift) for x, y in known], colour)
    axes.set_ylim(0, 119)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("hit rate, %")
    axes.set_title("Hit rate (stable and novel)", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, columnspacing=1.0, handlelength=1.8)


def _errors(axes: Axes, reports: Sequence[RoundReport]) -> None:
    known = [(r.round, 1000 * r.mae_ev_per_atom) for r in reports if r.mae_ev_per_atom is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], "D-", color=GREEN)
    _label(axes, reports, [(x, y, f"{y:.0f}", 7) for x, y in known], "black")
    axes.set_ylim(0, 1.25 * max([1.0, *(y for _, y in known)]))
    axes.set_ylabel("meV/atom")
    axes.set_title("Network error (MAE, before it saw them)", fontsize=10, loc="left")


def _label(
    axes: Axes, reports: Sequence[RoundReport], points: Sequence[tuple[float, float, str, int]], colour: str
) -> None:
    """Write the numbers of points (x, y, text, offset in points) unless there are too many rounds."""
    for x, y, text, lift in points if len(reports) <= MAX_TICKS else ():
        axes.annotate(text, (x, y), (0, lift), textcoords="offset points", ha="center", fontsize=8, color=colour)
