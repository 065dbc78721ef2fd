"""Replays as figures and as a table: medians over seeds, with bands from the lowest to the highest.

Colours are Okabe and Ito's; the style of a line stands for how the network is retrained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.evaluation.replay import Replay, ReplayRound
from gnome_lite.evaluation.replay_runs import Arm, band, band_of_rounds, by_arm
from gnome_lite.report.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, canvas
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
RETRAINED = {
    "frozen": (", nothing learnt", "-.", "^"), "none": ("", "-", "o"), "base": (", retrained: base", "--", "s"),
    "continue": (", retrained: continue", ":", "D"),
}  # fmt: skip
"""Words in the legend, line style and marker."""

FIGURES: Mapping[str, tuple[str, str, Callable[[ReplayRound], float | None]]] = {
    "hit_rate": ("Hit rate: truly stable of verified", "%", lambda r: 100 * r.hit_rate),
    "hit_rate_then": (
        "Hit rate as a campaign counts it: on the hull of all phases so far",
        "%",
        lambda r: 100 * r.hit_rate_then,
    ),
    "daf": ("Discovery acceleration over a random pick", "times", lambda r: r.daf),
    "mae_chosen": ("Error on what was chosen", "meV/atom", lambda r: _mev(r.mae_chosen_ev_per_atom)),
    "mae_pool": ("Error on all there was to choose from", "meV/atom", lambda r: _mev(r.mae_pool_ev_per_atom)),
    "calibration": ("Calibration error of P(stable), all there was to choose from", "", lambda r: r.calibration_error),
}
"""By name: title, unit and the figure of a round."""


def replay_figures(replays: Sequence[Replay]) -> dict[str, Figure]:
    """Return a figure for each of `FIGURES`, and "found": stable crystals found against verifications."""
    arms = by_arm(replays)
    return {"found": _found(arms), **{name: _by_round(arms, *of) for name, of in FIGURES.items()}}


def replay_table(replays: Sequence[Replay]) -> Table:
    """Return a Rich table with a row for each strategy and way of retraining: medians over seeds, some with bands."""
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False)
    for (strategy, retrain), of in by_arm(replays).items():
        first, last = ([r.rounds[k] for r in of if r.rounds] for k in (0, -1))
        row = {
            "hit rate, first": _text((r.hit_rate for r in first), "{:.0%}"),
            "last": _text((r.hit_rate for r in last), "{:.0%}", spread=True),
            "of perfect's": _text((r.hit_rate / r.reachable if r.reachable else None for r in last), "{:.0%}"),
            "then, last": _text((r.hit_rate_then for r in last), "{:.0%}"),
            "DAF, first": _text((r.daf for r in first), "{:.1f}"),
            "found": _text((float(r.found) for r in last), "{:.0f}", spread=True),
            "share": _text((one.rounds[-1].found / one.stable for one in of if one.stable and one.rounds), "{:.0%}"),
            "MAE": _text((_mev(r.mae_chosen_ev_per_atom) for r in last), "{:.0f}"),
            "calibration": _text((r.calibration_error for r in last), "{:.3f}"),
            "seconds": _text((sum(r.seconds for r in one.rounds) for one in of), "{:.0f}"),
        }
        if not table.columns:
            for head in ("strategy", "retrained"):
                table.add_column(head, no_wrap=True)
            for head in row:
                table.add_column(head, justify="right")
        table.add_row(strategy.replace("_", " "), retrain, *row.values())
    return table


def _by_round(
    arms: Mapping[Arm, Sequence[Replay]], title: str, unit: str, figure_of: Callable[[ReplayRound], float | None]
) -> Figure:
    figure, (axes,) = canvas(8.0, 4.2)
    most = 0
    for arm, of in arms.items():
        bands = band_of_rounds(of, figure_of)
        if bands:
            most = max(most, len(bands))
            _line(axes, arm, [float(k) for k, _ in bands], [b for _, b in bands], marked=len(bands) <= 12)
    axes.set_xlabel("round")
    if 0 < most <= 12:
        axes.set_xticks(range(1, most + 1))
    _finish(axes, title, unit)
    return figure


def _found(arms: Mapping[Arm, Sequence[Replay]]) -> Figure:
    """Return the found share of the stable crystals on offer, verification by verification."""
    figure, (axes,) = canvas(8.0, 4.2)
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
    _finish(axes, "Truly stable crystals found", "% of those offered")
    return figure


def _line(axes: Axes, arm: Arm, x: Sequence[float], bands: Sequence[tuple[float, float, float]], marked: bool) -> None:
    strategy, retrain = arm
    colour = COLOURS.get(strategy, VERMILION)
    lowest, median, highest = np.array(bands).T
    axes.fill_between(x, lowest, highest, color=colour, alpha=0.13, linewidth=0)
    words, style, marker = RETRAINED[retrain]
    axes.plot(
        x, median, style, color=colour, label=strategy.replace("_", " ") + words, marker=marker if marked else None,
        markersize=4, linewidth=1.0 if strategy == "perfect" else 1.6,
    )  # fmt: skip


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    if axes.lines:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _mev(value_ev: float | None) -> float | None:
    return None if value_ev is None else 1000 * value_ev


def _text(values: Iterable[float | None], form: str, spread: bool = False) -> str:
    found = band(values)
    if found is None:
        return NONE
    lowest, median, highest = (form.format(v) for v in found)
    return f"{median} ({lowest}-{highest})" if spread else median
