"""Labels of points in a figure, each where it covers no other label and no point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT_POINTS = 8.0
_WIDTH_PER_LETTER, _HEIGHT = 0.62, 1.25
"""Of a letter and of a line, in units of the font size: a little more than those of the default font."""
_POINT_RADIUS = 4.0
_FAR = 18.0
"""A label so many points from its point is joined to it by a line."""

_DIRECTIONS = np.array([[0, -1], [0, 1], [1, 0], [-1, 0], [1, -1], [-1, -1], [1, 1], [-1, 1]], dtype=float)
_DISTANCES = (9.0, 16.0, 26.0, 38.0)


class Labels:
    """Writes labels one after another, the most important first.

    Places are tried outwards from the point; a label that has none is not written.

    Args:
        axes: with their final limits.
        points: data coordinates of all points that no label may cover, [n, 2].
    """

    def __init__(self, axes: Axes, points: NDArray[np.float64]) -> None:
        from matplotlib.figure import Figure

        figure = axes.figure
        assert isinstance(figure, Figure), "no figure within a figure"
        figure.draw_without_rendering()  # lays out the axes: only then is their place theirs
        self._axes = axes
        self._per_point = 72.0 / figure.dpi
        here = self._in_points(points)
        self._taken = [np.concatenate([p - _POINT_RADIUS, p + _POINT_RADIUS]) for p in here]
        self._frame = np.ravel(axes.get_window_extent().get_points()) * self._per_point

    def write(
        self, text: str, point: tuple[float, float], towards: tuple[float, float] = (0.0, -1.0), bold: bool = False
    ) -> bool:
        """Write a label beside a point and return whether there was room.

        Args:
            text: to be written.
            point: data coordinates.
            towards: the side of the point that is tried first.
            bold: whether it stands out.
        """
        (at,) = self._in_points(np.array([point]))
        size = np.array([_WIDTH_PER_LETTER * len(text) * (1.08 if bold else 1.0), _HEIGHT]) * FONT_POINTS
        nearest_first = _DIRECTIONS[np.argsort(-_DIRECTIONS @ np.array(towards), kind="stable")]
        for distance in _DISTANCES:
            for direction in nearest_first:
                centre = at + direction * (distance - 4.0 + size / 2)
                box = np.concatenate([centre - size / 2, centre + size / 2])
                if self._is_free(box):
                    self._taken.append(box)
                    self._annotate(text, point, centre - at, bold, distance)
                    return True
        return False

    def _annotate(
        self, text: str, point: tuple[float, float], shift: NDArray[np.float64], bold: bool, distance: float
    ) -> None:
        line = {"arrowstyle": "-", "color": "0.5", "lw": 0.5, "shrinkA": 0, "shrinkB": 3} if distance > _FAR else None
        self._axes.annotate(
            text, point, tuple(shift.tolist()), textcoords="offset points", ha="center", va="center", zorder=20,
            fontsize=FONT_POINTS, fontweight="bold" if bold else "normal", arrowprops=line,
        )  # fmt: skip

    def _is_free(self, box: NDArray[np.float64]) -> bool:
        """Tell whether a box (left, bottom, right, top) lies within the frame and covers nothing."""
        inside = bool((box[:2] >= self._frame[:2]).all() and (box[2:] <= self._frame[2:]).all())
        return inside and not any((box[:2] < t[2:]).all() and (t[:2] < box[2:]).all() for t in self._taken)

    def _in_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._axes.transData.transform(points) * self._per_point
        return found
