"""Hull diagrams of two and three elements: known phases, the hull, and the crystals that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.crystals import MAX_Z, atomic_number, reduced_formula
from gnome_lite.records import STABLE_EV_PER_ATOM
from gnome_lite.report.figures import BLUE, GREY, ORANGE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    on = energies - (fractions[:, 1:] @ planes[:, :-1].T + planes[:, -1]).max(axis=1) <= STABLE_EV_PER_ATOM
    labels = [_subscripts(reduced_formula(row)) for row in counts]
    figure = Figure(figsize=(7.2, 5.0), dpi=110, layout="constrained")
    axes = figure.subplots()
    draw = _binary if len(numbers) == 2 else _ternary
    draw(axes, list(elements), fractions, energies, on, is_found, facets, labels)
    axes.set_title(title or f"{'-'.join(elements)}: hull of known and found crystals", fontsize=11, loc="left")
    return figure


def lower_hull(
    x: NDArray[np.float64], energies: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower convex hull over compositions, the pure elements at zero included.

    Args:
        x: independent fractions, [n, d] with d = 1 or 2.
        energies: eV/atom, [n].

    Returns:
        planes [m, d + 1]: slopes, then intercept, of each facet (the hull is their maximum), and
        corners [m, d + 1, d + 1]: each facet's corners as fractions, then energy.
    """
    from scipy.spatial import ConvexHull

    d = x.shape[1]
    elements = np.vstack([np.zeros(d), np.eye(d)])
    low = energies <= 0
    # The apex closes the hull from above, also where every energy is zero.
    fractions = np.vstack([x[low], elements, np.full((1, d), 1.0 / (d + 1))])
    points = np.column_stack([fractions, np.concatenate([energies[low], np.zeros(d + 1), [1.0]])])
    hull = ConvexHull(points)
    downward = hull.equations[:, d] < -1e-10
    equations = hull.equations[downward]
    planes = -equations[:, [*range(d), d + 1]] / equations[:, [d]]
    return planes, points[hull.simplices[downward]]


def _binary(
    axes: Axes,
    elements: list[str],
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    on: NDArray[np.bool_],
    found: NDArray[np.bool_],
    facets: NDArray[np.float64],
    labels: list[str],
) -> None:
    x = fractions[:, 1]
    line = np.unique(facets.reshape(-1, 2), axis=0)
    axes.plot(line[:, 0], line[:, 1], color=BLUE, lw=1.4, zorder=1, label="hull")
    # Far above the hull lie rejected polymorphs: they would flatten what matters.
    lowest = min(float(energies.min()), -0.05)
    top = max(0.08, -0.35 * lowest)
    _marks(axes, x, energies, on, found)
    _labels(axes, x, energies, on, found, labels, below=True)
    axes.axhline(0.0, color=GREY, lw=0.6, zorder=0)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(1.16 * lowest, top)
    axes.set_xlabel(f"fraction of {elements[1]} in {elements[0]}-{elements[1]}")
    axes.set_ylabel("formation energy, eV/atom")
    axes.spines[["top", "right"]].set_visible(False)
    hidden = int((energies > top).sum())
    if hidden:
        note = f"{hidden} above the frame"
        axes.text(0.99, 0.99, note, fontsize=8, color=GREY, ha="right", va="top", transform=axes.transAxes)
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _ternary(
    axes: Axes,
    elements: list[str],
    fractions: NDArray[np.float64],
    energies: NDArray[np.float64],
    on: NDArray[np.bool_],
    found: NDArray[np.bool_],
    facets: NDArray[np.float64],
    labels: list[str],
) -> None:
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    for facet in facets:
        second_third = facet[:, :2]
        corners = np.column_stack([1 - second_third.sum(axis=1), second_third]) @ triangle
        axes.fill(*corners.T, facecolor="none", edgecolor=BLUE, lw=0.9, alpha=0.7, zorder=1)
    axes.plot(*np.vstack([triangle, triangle[:1]]).T, color="black", lw=1.0, zorder=1)
    # Polymorphs of one composition fall on one point: the lowest stands for them.
    _, of_composition = np.unique(fractions.round(6), axis=0, return_inverse=True)
    order = np.lexsort((energies, of_composition.ravel()))
    lowest = order[np.unique(of_composition.ravel()[order], return_index=True)[1]]
    xy = fractions[lowest] @ triangle
    pure = fractions[lowest].max(axis=1) > 1 - 1e-9
    names = ["" if p else labels[i] for p, i in zip(pure, lowest, strict=True)]
    _marks(axes, xy[:, 0], xy[:, 1], on[lowest], found[lowest])
    _labels(axes, xy[:, 0], xy[:, 1], on[lowest], found[lowest], names, below=False)
    for corner, element, shift, side in zip(
        triangle, elements, ((-8, -6), (8, -6), (0, 10)), ("right", "left", "center"), strict=True
    ):
        axes.annotate(element, corner, shift, textcoords="offset points", ha=side, va="center", fontsize=12)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.10, 1.10)
    axes.set_ylim(-0.07, 0.96)
    axes.legend(
        frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(-0.1, 1.0), title="compositions, by lowest"
    )


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
    """Name what is on the hull, found crystals first, each formula once; a name that would cover another moves."""
    placed: list[tuple[float, float]] = []
    named: set[str] = {""}
    near_x, near_y = 0.09, 0.05 * float(np.ptp(y) or 1.0)
    for i in sorted(np.flatnonzero(on), key=lambda i: (not found[i], y[i])):
        if labels[i] in named or len(named) > MAX_LABELS:
            continue
        named.add(labels[i])
        crowded = any(abs(x[i] - px) < near_x and abs(y[i] - py) < near_y for px, py in placed)
        placed.append((float(x[i]), float(y[i])))
        axes.annotate(
            labels[i], (x[i], y[i]), (0, -14 if below != crowded else 7), textcoords="offset points", ha="center",
            fontsize=8, fontweight="bold" if found[i] else "normal", zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip


def _subscripts(formula: str) -> str:
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
