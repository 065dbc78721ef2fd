"""Labels cover neither one another nor points, stay in the frame, and are left out where there is no room."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from gnome_lite.report.figures import canvas
from gnome_lite.report.labels import Labels


def drawn(points: np.ndarray, texts: list[str]) -> tuple[Axes, list[bool]]:
    _, (axes,) = canvas(5.0, 4.0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.scatter(*points.T)
    labels = Labels(axes, points)
    return axes, [labels.write(text, (x, y)) for text, (x, y) in zip(texts, points, strict=True)]


def test_crowded_labels_cover_no_other_and_no_point() -> None:
    """As matplotlib itself measures them: a rule of ours only guesses how wide a text is."""
    points = 0.5 + 0.06 * np.random.default_rng(3).random((9, 2))
    axes, written = drawn(points, [f"Li₂Fe₃O{n}" for n in range(9)])
    assert sum(written) >= 7
    axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line to its point
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    pixels = axes.transData.transform(points)
    assert not [p for p in pixels for box in boxes if box.contains(*p)]


def test_labels_stay_within_the_frame() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    axes, written = drawn(corners, ["BaTiO₃"] * 4)
    assert all(written)
    axes.figure.draw_without_rendering()
    frame = axes.get_window_extent()
    for text in axes.texts:
        box = text.get_window_extent()
        assert frame.x0 - 1 <= box.x0 < box.x1 <= frame.x1 + 1
        assert frame.y0 - 1 <= box.y0 < box.y1 <= frame.y1 + 1


def test_where_there_is_no_room_nothing_is_written() -> None:
    axes, written = drawn(np.full((40, 2), 0.5), ["K₃Mg(PS₂)₄"] * 40)
    assert 8 <= sum(written) < 40
    assert len(axes.texts) == sum(written)


def test_the_side_that_is_wanted_comes_first() -> None:
    _, (axes,) = canvas(5.0, 4.0)
    point = np.array([[0.5, 0.5]])
    for side in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)):
        Labels(axes, point).write("FeO", (0.5, 0.5), side)
        assert np.dot(axes.texts[-1].xyann, side) > 0
