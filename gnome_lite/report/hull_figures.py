"""Hull diagrams of two and three elements: reference phases, the hull, and the crystals that were found."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.report.figures import BLUE, GREY, ORANGE, VERMILION, canvas
from gnome_lite.stability.hull import HullSystem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABELS = 24


def hull_figure(system: HullSystem, found: Collection[str], title: str = "") -> Figure:
    """Return the hull of two elements as energies over composition, of three as a triangle of tie lines.

    Args:
        system: all crystals of the system, from `ChemicalHull.system`.
        found: ids of those the campaign found; they have their own colour and marker.
        title: left of the top.

    Raises:
        ValueError: for other than two or three elements.
    """
    name = "-".join(system.elements)
    if len(system.elements) not in (2, 3):
        raise ValueError(f"a hull of {name} cannot be drawn: name two or three elements")
    figure, (axes,) = canvas(7.2, 5.0)
    labels = [f.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) for f in system.formulas]
    draw = _binary if len(system.elements) == 2 else _ternary
    draw(axes, system, np.array([i in found for i in system.ids], dtype=bool), labels)
    axes.set_title(title or f"{name}: hull of known and found crystals", fontsize=11, loc="left")
    return figure


def _binary(axes: Axes, system: HullSystem, found: NDArray[np.bool_], labels: list[str]) -> None:
    x, energies, on = system.fractions[:, 1], system.e_form_ev_per_atom, system.on_hull
    corners = sorted({int(i) for i in system.facets.ravel()}, key=lambda i: float(x[i]))
    axes.plot(x[corners], energies[corners], color=BLUE, lw=1.4, zorder=1, label="hull")
    # Far above the hull lie rejected polymorphs: they would flatten what matters.
    lowest = min(float(energies.min()), -0.05)
    top = max(0.08, -0.35 * lowest)
    _mark(axes, x, energies, on, found, labels, below=True)
    axes.axhline(0.0, color=GREY, lw=0.6, zorder=0)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(1.16 * lowest, top)
    axes.set_xlabel(f"fraction of {system.elements[1]} in {'-'.join(system.elements)}")
    axes.set_ylabel("formation energy, eV/atom")
    hidden = int((energies > top).sum())
    if hidden:
        note = f"{hidden} above the frame"
        axes.text(0.99, 0.99, note, fontsize=8, color=GREY, ha="right", va="top", transform=axes.transAxes)
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _ternary(axes: Axes, system: HullSystem, found: NDArray[np.bool_], labels: list[str]) -> None:
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    fractions, on = system.fractions, system.on_hull
    for facet in system.facets:
        axes.fill(*(fractions[facet] @ triangle).T, facecolor="none", edgecolor=BLUE, lw=0.9, alpha=0.7, zorder=1)
    axes.plot(*np.vstack([triangle, triangle[:1]]).T, color="black", lw=1.0, zorder=1)
    # Polymorphs of one composition fall on one point: the lowest stands for them.
    _, of_composition = np.unique(fractions.round(6), axis=0, return_inverse=True)
    order = np.lexsort((system.e_form_ev_per_atom, of_composition.ravel()))
    lowest = order[np.unique(of_composition.ravel()[order], return_index=True)[1]]
    xy = fractions[lowest] @ triangle
    pure = fractions[lowest].max(axis=1) > 1 - 1e-9
    names = ["" if p else labels[i] for p, i in zip(pure, lowest, strict=True)]
    _mark(axes, xy[:, 0], xy[:, 1], on[lowest], found[lowest], names, below=False)
    for corner, element, shift, side in zip(
        triangle, system.elements, ((-8, -6), (8, -6), (0, 10)), ("right", "left", "center"), strict=True
    ):
        axes.annotate(element, corner, shift, textcoords="offset points", ha=side, va="center", fontsize=12)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.10, 1.10)
    axes.set_ylim(-0.07, 0.96)
    axes.legend(
        frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(-0.1, 1.0), title="lowest of each composition",
        title_fontsize=8,
    )  # fmt: skip


def _mark(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], on: NDArray[np.bool_], found: NDArray[np.bool_],
    labels: list[str], below: bool,
) -> None:  # fmt: skip
    """Draw four kinds of crystal (reference or found, on the hull or above it) and name what is on the hull.

    Found crystals are named first, each formula once; a name that would cover another moves.
    """
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
