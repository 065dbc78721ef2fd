"""Hull diagrams of two and three elements: known phases, the hull, and the crystals that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.crystals import MAX_Z, atomic_number, reduced_formula
from gnome_lite.report.figures import BLUE, GREY, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ON_HULL_EV_PER_ATOM = 5e-5
MAX_LABELS = 24


def hull_figure(
    elements: Sequence[str], counts: NDArray[np.int64], e_form_ev_per_atom: ArrayLike, found: ArrayLike, title: str = ""
) -> Figure:
    """The hull of a binary or ternary chemical system.

    Args:
        elements: two or three symbols.
        counts: atoms by atomic number, [n, MAX_Z + 1]; crystals with other elements are left out.
        e_form_ev_per_atom: formation energies of one level, eV/atom, [n].
        found: which of them the campaign found, bool [n]; drawn in their own colour and marker.
        title: left of the top.

    Raises:
        ValueError: for other than two or three elements, or if no crystal of the system is given.
    """
    from matplotlib.figure import Figure

    if len(set(elements)) not in (2, 3):
        raise ValueError(f"a hull of {'-'.join(elements)} cannot be drawn: name two or three different elements")
    numbers = [atomic_number(e) for e in elements]
    energies, is_found = np.asarray(e_form_ev_per_atom, dtype=np.float64), np.asarray(found, dtype=bool)
    others = np.setdiff1d(np.arange(MAX_Z + 1), numbers)
    inside = (counts[:, others].sum(axis=1) == 0) & np.isfinite(energies)
    if not inside.any():
        raise ValueError(f"no crystals of {'-'.join(elements)} to draw a hull of")
    counts, energies, is_found = counts[inside], energies[inside], is_found[inside]
    fractions = counts[:, numbers] / counts[:, numbers].sum(axis=1, keepdims=True)
    planes, facets = lower_hull(fractions[:, 1:], energies)
    above = energies - (fractions[:, 1:] @ planes[:, :-1].T + planes[:, -1]).max(axis=1)
    labels = [_subscripts(reduced_formula(row)) for row in counts]
    figure = Figure(figsize=(7.2, 5.0), dpi=110, layout="constrained")
    axes = figure.subplots()
    draw = _binary if len(numbers) == 2 else _ternary
    draw(axes, list(elements), fractions, energies, above, is_found, facets, labels)
    axes.set_title(title or f"{'-'.join(elements)}: hull of known and found crystals", fontsize=11, loc="left")
    return figure


def lower_hull(x: NDArray[np.float64], energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lower convex hull over compositions, the pure elements at zero included.

    Args:
        x: independent fractions, [n, d] with d = 1 or 2.
        energies: eV/atom, [n].

    Returns:
        planes [m, d + 1] (slopes, then intercept: the hull is their maximum) and facets [m, d + 1] as
        indices of crystals (a corner that no crystal holds is -1).
    """
    from scipy.spatial import ConvexHull

    dimension = x.shape[1]
    corners = np.vstack([np.zeros(dimension), np.eye(dimension)])
    # The apex above closes the hull from the top, also where every energy is zero.
    apex = np.full((1, dimension), 1.0 / (dimension + 1))
    low = energies <= 0
    index = np.concatenate([np.flatnonzero(low), np.full(dimension + 2, -1)])
    points = np.vstack([x[low], corners, apex])
    heights = np.concatenate([energies[low], np.zeros(dimension + 1), [1.0]])
    hull = ConvexHull(np.column_stack([points, heights]))
    downward = hull.equations[:, dimension] < -1e-10
    equations = hull.equations[downward]
    planes = -equations[:, [*range(dimension), dimension + 1]] / equations[:, [dimension]]
    return planes, index[hull.simplices[downward]]


def _binary(
    axes: Axes,
    elements: list[str],
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    above: NDArray[np.float64],
    found: NDArray[np.bool_],
    facets: NDArray[np.int64],
    labels: list[str],
) -> None:
    x = fractions[:, 1]
    vertices = [i for i in np.unique(facets) if i >= 0]
    line = sorted({(float(x[i]), float(energies[i])) for i in vertices} | {(0.0, 0.0), (1.0, 0.0)})
    axes.plot(*zip(*line, strict=True), color=BLUE, lw=1.4, zorder=1, label="hull")
    on = above <= ON_HULL_EV_PER_ATOM
    # Far above the hull lie rejected polymorphs: they would flatten what matters.
    top = max(0.08, 0.35 * -float(energies.min()))
    _marks(axes, x, energies, on, found)
    axes.axhline(0.0, color=GREY, lw=0.6, zorder=0)
    axes.set_ylim(1.16 * min(float(energies.min()), -0.05), top)
    hidden = int((energies > top).sum())
    _labels(axes, x, energies, on, found, labels, below=True)
    axes.set_xlabel(f"fraction of {elements[1]} in {elements[0]}-{elements[1]}")
    axes.set_ylabel("formation energy, eV/atom")
    axes.set_xlim(-0.03, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    if hidden:
        axes.text(
            0.99, 0.99, f"{hidden} above the frame", transform=axes.transAxes, ha="right", va="top", fontsize=8, color=GREY
        )
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _ternary(
    axes: Axes,
    elements: list[str],
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    above: NDArray[np.float64],
    found: NDArray[np.bool_],
    facets: NDArray[np.int64],
    labels: list[str],
) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    xy = fractions @ corners
    for facet in facets:
        # A corner without a crystal is a pure element at zero: draw to the corner it is.
        held = [xy[i] for i in facet if i >= 0]
        for k, p in enumerate(held):
            for q in held[k + 1 :]:
                axes.plot([p[0], q[0]], [p[1], q[1]], color=BLUE, lw=0.9, alpha=0.7, zorder=1)
    axes.plot(*np.vstack([corners, corners[:1]]).T, color="black", lw=1.0, zorder=1)
    on = above <= ON_HULL_EV_PER_ATOM
    _marks(axes, xy[:, 0], xy[:, 1], on, found)
    _labels(axes, xy[:, 0], xy[:, 1], on, found, labels, below=False)
    for corner, element, (dx, dy), side in zip(
        corners, elements, ((-6, -6), (6, -6), (0, 8)), ("right", "left", "center"), strict=True
    ):
        axes.annotate(element, corner, (dx, dy), textcoords="offset points", ha=side, va="center", fontsize=12)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.08, 1.08)
    axes.set_ylim(-0.07, 0.96)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _marks(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    on: NDArray[np.bool_],
    found: NDArray[np.bool_],
) -> None:
    """Four kinds of crystal: known or found, on the hull or above it (hollow)."""
    kinds = (
        ("known, above the hull", ~found & ~on, "o", "none", GREY, 18, 2),
        ("known, on the hull", ~found & on, "o", BLUE, BLUE, 30, 3),
        ("found, above the hull", found & ~on, "^", "none", ORANGE, 34, 4),
        ("found, on the hull", found & on, "*", VERMILION, "black", 130, 5),
    )
    for label, which, marker, face, edge, size, order in kinds:
        if which.any():
            axes.scatter(
                x[which], y[which], s=size, marker=marker, facecolors=face, edgecolors=edge, linewidths=0.8,
                label=f"{label} ({int(which.sum())})", zorder=order,
            )  # fmt: skip


def _labels(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    on: NDArray[np.bool_],
    found: NDArray[np.bool_],
    labels: list[str],
    below: bool,
) -> None:
    """Name what is on the hull, found crystals first; each formula once."""
    named: set[str] = set()
    for i in sorted(np.flatnonzero(on), key=lambda i: (not found[i], y[i])):
        if labels[i] in named or len(named) >= MAX_LABELS:
            continue
        named.add(labels[i])
        axes.annotate(
            labels[i], (x[i], y[i]), (0, -13 if below else 7), textcoords="offset points", ha="center", fontsize=8,
            fontweight="bold" if found[i] else "normal", zorder=6,
        )  # fmt: skip


def _subscripts(formula: str) -> str:
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
