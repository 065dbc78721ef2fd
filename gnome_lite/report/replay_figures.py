"""Replays as figures and as a table: medians over seeds, with bands from the lowest to the highest.

Colours are Okabe and Ito's; how a network is retrained is told by the line's style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.evaluation.replay import Replay, ReplayRound
from gnome_lite.evaluation.replay_runs import Arm, band, band_of_rounds, by_arm
from gnome_lite.report.figures import BLUE, GREEN, GREY, ORANGE, VERMILION
from gnome_lite.report.tables import NONE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

PINK, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
COLOURS = {
    "perfect": BLACK, "random": GREY, "ion_exchange": ORANGE, "composition": PINK, "greedy": SKY, "p_stable": BLUE,
    "expected_improvement": GREEN,
}  # fmt: skip
LEARNT = {"frozen": ", nothing learnt", "none": "", "base": ", retrained: base", "continue": ", retrained: continue"}
STYLES = {"frozen": "-.", "none": "-", "base": "--", "continue": ":"}
MARKERS = {"frozen": "^", "none": "o", "base": "s", "continue": "D"}

FIGURES: Mapping[str, tuple[str, str, Callable[[ReplayRound], float | None]]] = {
    "hit_rate": ("Hit rate: truly stable of verified", "%", lambda r: 100 * r.hit_rate),
    "hit_rate_then": (
        "Hit rate as a campaign counts it: on the hull of what is known",
        "%",
        lambda r: 100 * r.hit_rate_then,
    ),
    "daf": ("Discovery acceleration over a random pick", "times", lambda r: r.daf),
    "mae_chosen": ("Error on what was chosen", "meV/atom", lambda r: _times(1000, r.mae_chosen_ev_per_atom)),
    "mae_pool": ("Error on all there was to choose from", "meV/atom", lambda r: _times(1000, r.mae_pool_ev_per_atom)),
    "calibration": ("Calibration error of P(stable), all there was to choose from", "", lambda r: r.calibration_error),
}
"""By name: title, unit and the figure of a round."""


def replay_figures(replays: Sequence[Replay]) -> dict[str, Figure]:
    """One figure for each of `FIGURES`, and "found": stable crystals found against verifications."""
    arms = by_arm(replays)
    made = {name: _by_round(arms, *of) for name, of in FIGURES.items()}
    return {"found": _found(arms), **made}


def replay_table(replays: Sequence[Replay]) -> Table:
    """A Rich table with a row for each strategy and way of retraining: medians over seeds, bands where they matter."""
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False)
    table.add_column("strategy", no_wrap=True)
    table.add_column("retrained", no_wrap=True)
    heads = (
        "hit rate, first",
        "last",
        "of perfect's",
        "then, last",
        "DAF, first",
        "found",
        "share",
        "MAE",
        "calibration",
        "seconds",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for (strategy, retrain), of in by_arm(replays).items():
        last = [r.rounds[-1] for r in of if r.rounds]
        first = [r.rounds[0] for r in of if r.rounds]
        table.add_row(
            strategy.replace("_", " "),
            retrain,
            _text((r.hit_rate for r in first), "{:.0%}"),
            _text((r.hit_rate for r in last), "{:.0%}", spread=True),
            _text((r.hit_rate / r.reachable if r.reachable else None for r in last), "{:.0%}"),
            _text((r.hit_rate_then for r in last), "{:.0%}"),
            _text((r.daf for r in first), "{:.1f}"),
            _text((float(r.found) for r in last), "{:.0f}", spread=True),
            _text((one.rounds[-1].found / one.stable for one in of if one.stable and one.rounds), "{:.0%}"),
            _text((_times(1000, r.mae_chosen_ev_per_atom) for r in last), "{:.0f}"),
            _text((r.calibration_error for r in last), "{:.3f}"),
            _text((sum(r.seconds for r in one.rounds) for one in of), "{:.0f}"),
        )
    return table


def _by_round(
    arms: Mapping[Arm, Sequence[Replay]], title: str, unit: str, figure_of: Callable[[ReplayRound], float | None]
) -> Figure:
    figure, axes = _canvas(title)
    most = 0
    for arm, of in arms.items():
        bands = band_of_rounds(of, figure_of)
        if bands:
            most = max(most, len(bands))
            _line(axes, arm, [float(k) for k, _ in bands], [b for _, b in bands], marked=len(bands) <= 12)
    axes.set_xlabel("round")
    if 0 < most <= 12:
        axes.set_xticks(range(1, most + 1))
    axes.set_ylabel(unit)
    _finish(axes)
    return figure


def _found(arms: Mapping[Arm, Sequence[Replay]]) -> Figure:
    """Share of the stable crystals offered, verification by verification."""
    figure, axes = _canvas("Truly stable crystals found")
    for arm, of in arms.items():
        end = min((one.rounds[-1].verified for one in of if one.rounds), default=0)
        known = [one for one in of if one.rounds and one.stable]
        if not known:
            continue
        at = np.linspace(0, end, 121)
        curves = np.array([np.searchsorted(one.hits_at, at, side="right") / one.stable for one in known])
        bands = [(float(c.min()), float(np.median(c)), float(c.max())) for c in 100 * curves.T]
        _line(axes, arm, at.tolist(), bands, marked=False)
    axes.set_xlabel("verifications")
    axes.set_ylabel("% of those offered")
    _finish(axes)
    return figure


def _canvas(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _line(axes: Axes, arm: Arm, x: Sequence[float], bands: Sequence[tuple[float, float, float]], marked: bool) -> None:
    strategy, retrain = arm
    colour = COLOURS.get(strategy, VERMILION)
    lowest, median, highest = np.array(bands).T
    axes.fill_between(x, lowest, highest, color=colour, alpha=0.13, linewidth=0)
    label = strategy.replace("_", " ") + LEARNT[retrain]
    marker, width = MARKERS[retrain] if marked else None, 1.0 if strategy == "perfect" else 1.6
    axes.plot(x, median, STYLES[retrain], color=colour, label=label, marker=marker, markersize=4, linewidth=width)


def _finish(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    if axes.lines:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def _text(values: Iterable[float | None], form: str, spread: bool = False) -> str:
    found = band(values)
    if found is None:
        return NONE
    lowest, median, highest = (form.format(v) for v in found)
    return f"{median} ({lowest}-{highest})" if spread else median
