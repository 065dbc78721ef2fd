"""Replays as figures and table: every number drawn is one of the replays'."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from gnome_lite.evaluation.plans import Plan
from gnome_lite.evaluation.replay import Replay, ReplayRound
from gnome_lite.report.figures import png
from gnome_lite.report.replay_figures import FIGURES, replay_figures, replay_table


def made(strategy: str, seed: int, hits: list[list[int]], retrain: str = "none", budget: int = 4) -> Replay:
    """A replay of 100 candidates, 10 of them stable, with these hits (places within each round, from 0)."""
    rounds, at, known = [], [], strategy not in ("random", "perfect")
    for k, places in enumerate(hits):
        left = 10 - len(at)
        at += [budget * k + place + 1 for place in places]
        rounds.append(
            ReplayRound(
                verified=budget * (k + 1), hits=len(places), found=len(at), failed=0, hit_rate=len(places) / budget,
                hit_rate_then=len(places) / budget,
                reachable=min(budget, left) / budget, daf=10 * len(places) / budget,
                mae_chosen_ev_per_atom=0.05 if known else None, mae_pool_ev_per_atom=0.04 if known else None,
                calibration_error=0.02 if known else None, model_id="m", promoted=None, seconds=0.5,
            )
        )  # fmt: skip
    return Replay(Plan(strategy, retrain, seed, budget, len(hits)), 100, 10, tuple(rounds), tuple(at))  # type: ignore[arg-type]


@pytest.fixture
def replays() -> list[Replay]:
    return [
        *(made("p_stable", s, [[0, 1, 2][: s + 1], [0, 1]]) for s in range(3)),
        made("p_stable", 0, [[0, 3], [0, 1, 2]], "base"),
        *(made("random", s, [[s] if s else [], [1]]) for s in range(3)),
    ]


def test_lines_are_medians_and_bands_reach_from_lowest_to_highest(replays: list[Replay]) -> None:
    axes = replay_figures(replays)["hit_rate"].axes[0]
    assert [line.get_label() for line in axes.lines] == ["p stable", "p stable, retrained: base", "random"]
    assert axes.lines[0].get_ydata().tolist() == [50, 50]  # of 25, 50, 75 and of 50, 50, 50
    assert axes.lines[2].get_ydata().tolist() == [25, 25]
    edges = axes.collections[0].get_paths()[0].vertices
    assert (edges[edges[:, 0] == 1][:, 1].min(), edges[edges[:, 0] == 1][:, 1].max()) == (25, 75)
    assert axes.get_ylim()[0] == 0


def test_stable_found_rises_at_each_hit(replays: list[Replay]) -> None:
    axes = replay_figures(replays)["found"].axes[0]
    base = axes.lines[1]
    x, y = np.asarray(base.get_xdata()), np.asarray(base.get_ydata())
    assert (x[0], x[-1], y[0], y[-1]) == (0, 8, 0, 50)
    assert y[x < 1].max() == 0
    assert y[(x >= 1) & (x < 4)].tolist() == pytest.approx([10] * int(((x >= 1) & (x < 4)).sum()))


def test_strategies_without_a_network_are_left_out_of_its_figures(replays: list[Replay]) -> None:
    figures = replay_figures(replays)
    assert set(figures) == {"found", *FIGURES}
    for name in ("mae_chosen", "mae_pool", "calibration"):
        assert [line.get_label() for line in figures[name].axes[0].lines] == ["p stable", "p stable, retrained: base"]
    assert figures["mae_pool"].axes[0].lines[0].get_ydata().tolist() == [40, 40]


def test_nothing_to_draw_is_drawn() -> None:
    for figure in replay_figures([]).values():
        assert png(figure).startswith(b"\x89PNG")


def test_the_table_has_medians_and_ranges(replays: list[Replay]) -> None:
    text = StringIO()
    Console(file=text, width=200).print(replay_table(replays))
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.getvalue().splitlines()]
    rows = [row for row in table if row]
    assert [row[:2] for row in rows] == [["p stable", "none"], ["p stable", "base"], ["random", "none"]]
    assert rows[0][2:9] == ["50%", "50% (50%-50%)", "50%", "50%", "5.0", "4 (3-5)", "40%"]
    assert rows[1][2:9] == ["50%", "75% (75%-75%)", "75%", "75%", "5.0", "5 (5-5)", "50%"]
    assert rows[2][-3:] == ["-", "-", "1"]
