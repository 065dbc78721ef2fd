"""Hull diagrams of two and three elements: reported and hypothetical reference phases, and what was found here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.origins import Origin
from gnome_lite.report.figures import BLUE, GREY, ORANGE, VERMILION, canvas
from gnome_lite.report.labels import Labels
from gnome_lite.stability.hull import HullSystem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABELS = 40

_NAMES = {Origin.HYPOTHETICAL: "hypothetical", Origin.REPORTED: "reported or element", Origin.FOUND: "found"}
_MARKERS = {Origin.HYPOTHETICAL: "s", Origin.REPORTED: "o", Origin.FOUND: "*"}
_COLOURS = {Origin.HYPOTHETICAL: ORANGE, Origin.REPORTED: BLUE, Origin.FOUND: VERMILION}
_SIZES = {Origin.HYPOTHETICAL: 24, Origin.REPORTED: 34, Origin.FOUND: 130}
_ABOVE_SIZES = {Origin.HYPOTHETICAL: 12, Origin.REPORTED: 18, Origin.FOUND: 60}


def hull_figure(system: HullSystem, origins: Mapping[str, Origin], title: str = "") -> Figure:
    """Return the hull of two elements as energies over composition, of three as a triangle of tie lines.

    Circles are reported compounds and elements, squares hypothetical references, stars what was found here; filled ones
    are on the hull, hollow ones above it.

    Args:
        system: all crystals of the system, from `ChemicalHull.system`.
        origins: origin of each of its crystals by id, as `core.origins.origins` tells.
        title: left of the top.

    Raises:
        ValueError: for other than two or three elements.
    """
    name = "-".join(system.elements)
    if len(system.elements) not in (2, 3):
        raise ValueError(f"a hull of {name} cannot be drawn: name two or three elements")
    figure, (axes,) = canvas(8.0, 6.6 if len(system.elements) == 3 else 5.4)
    labels = [f.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) for f in system.formulas]
    draw = _binary if len(system.elements) == 2 else _ternary
    draw(axes, system, np.array([origins[i] for i in system.ids], dtype=object), labels)
    axes.set_title(title or f"{name}: hull of references and found crystals", fontsize=11, loc="left")
    return figure


def _binary(axes: Axes, system: HullSystem, origins: NDArray[np.object_], labels: list[str]) -> None:
    x, energies, on = system.fractions[:, 1], system.e_form_ev_per_atom, system.on_hull
    corners = sorted({int(i) for i in system.facets.ravel()}, key=lambda i: float(x[i]))
    axes.plot(x[corners], energies[corners], color=GREY, lw=1.2, zorder=1, label="hull")
    # Far above the hull lie rejected polymorphs: they would flatten what matters.
    lowest = min(float(energies.min()), -0.05)
    top = max(0.08, -0.35 * lowest)
    axes.axhline(0.0, color=GREY, lw=0.6, zorder=0)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(1.22 * lowest, top)
    axes.set_xlabel(f"fraction of {system.elements[1]} in {'-'.join(system.elements)}")
    axes.set_ylabel("formation energy, eV/atom")
    hidden = int((energies > top).sum())
    if hidden:
        note = f"{hidden} above the frame"
        axes.text(0.5, 0.99, note, fontsize=8, color=GREY, ha="center", va="top", transform=axes.transAxes)
    _mark(axes, x, energies, on, origins)
    _legend(axes)
    _name(axes, x, energies, on & (energies <= top), origins, labels, np.tile([0.0, -1.0], (len(x), 1)))


def _ternary(axes: Axes, system: HullSystem, origins: NDArray[np.object_], labels: list[str]) -> None:
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    fractions, on = system.fractions, system.on_hull
    for facet in system.facets:
        axes.fill(*(fractions[facet] @ triangle).T, facecolor="none", edgecolor=GREY, lw=0.7, alpha=0.7, zorder=1)
    axes.plot(*np.vstack([triangle, triangle[:1]]).T, color="black", lw=1.0, zorder=1)
    # Polymorphs of one composition fall on one point: the lowest stands for them.
    _, of_composition = np.unique(fractions.round(6), axis=0, return_inverse=True)
    order = np.lexsort((system.e_form_ev_per_atom, of_composition.ravel()))
    lowest = order[np.unique(of_composition.ravel()[order], return_index=True)[1]]
    x, y = (fractions[lowest] @ triangle).T
    for corner, element, shift, side in zip(
        triangle, system.elements, ((-8, -6), (8, -6), (0, 10)), ("right", "left", "center"), strict=True
    ):
        axes.annotate(element, corner, shift, textcoords="offset points", ha=side, va="center", fontsize=12)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.12, 1.12)
    axes.set_ylim(-0.09, 0.98)
    _mark(axes, x, y, on[lowest], origins[lowest])
    _legend(axes, title="lowest of each composition")
    pure = fractions[lowest].max(axis=1) > 1 - 1e-9
    # Of two elements, outside of the triangle: the third one's corner lies opposite.
    outwards = np.array([[1.0, 0.2], [-1.0, 0.2], [0.0, -1.0]])
    away = np.where(fractions[lowest] < 1e-9, 1.0, 0.0) @ outwards
    away[~away.any(axis=1)] = 0.0, -1.0
    _name(axes, x, y, on[lowest] & ~pure, origins[lowest], [labels[i] for i in lowest], away)


def _mark(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], on: NDArray[np.bool_], origins: NDArray[np.object_]
) -> None:
    """Draw crystals, each origin with its own marker and colour, filled on the hull and hollow above it."""
    for order, (origin, on_hull) in enumerate(((o, h) for h in (False, True) for o in _MARKERS), start=2):
        which = (origins == origin) & (on == on_hull)
        if not which.any():
            continue
        colour = _COLOURS[origin]
        axes.scatter(
            x[which], y[which], s=(_SIZES if on_hull else _ABOVE_SIZES)[origin], marker=_MARKERS[origin],
            facecolors=colour if on_hull else "none", edgecolors="black" if on_hull else colour,
            linewidths=0.6 if on_hull else 0.7, zorder=order,
            label=f"{_NAMES[origin]}, {'on' if on_hull else 'above'} the hull ({int(which.sum())})",
        )  # fmt: skip


def _legend(axes: Axes, title: str | None = None) -> None:
    """Write the legend below the axes, where it covers nothing."""
    axes.legend(
        frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12 if title is None else 0.0), ncols=3,
        title=title, title_fontsize=8,
    )  # fmt: skip


def _name(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], which: NDArray[np.bool_],
    origins: NDArray[np.object_], labels: list[str], towards: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write the formulas of some crystals, found ones first, then reported ones, each formula once."""
    rank: dict[str, int] = {Origin.FOUND: 0, Origin.REPORTED: 1, Origin.HYPOTHETICAL: 2}
    ordered = sorted(np.flatnonzero(which).tolist(), key=lambda i: (rank[str(origins[i])], y[i]))
    first = {labels[i]: i for i in reversed(ordered)}
    wanted = [i for i in ordered if first[labels[i]] == i][:MAX_LABELS]
    placed = Labels(axes, np.column_stack([x, y]))
    left = len(first)
    for i in wanted:
        side = float(towards[i, 0]), float(towards[i, 1])
        left -= placed.write(labels[i], (float(x[i]), float(y[i])), side, bold=origins[i] is Origin.FOUND)
    if left:
        note = f"{left} on the hull without room for a name"
        axes.text(0.0, 0.0, note, fontsize=8, color=GREY, ha="left", va="bottom", transform=axes.transAxes)
