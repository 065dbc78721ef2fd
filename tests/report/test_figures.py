from __future__ import annotations

import sys
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from samples.small_campaign import report

from gnome_lite.core.crystals import MAX_Z, atomic_number
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.origins import Origin
from gnome_lite.report.figures import data_uri, png, round_figure
from gnome_lite.report.hull_figures import hull_figure
from gnome_lite.stability.hull import ChemicalHull


def li_fe_o() -> ChemicalHull:
    """Made-up energies with a known hull: Li2O, FeO and LiFeO2 on it, the second Li2O above it."""
    phases = {
        "li": ({"Li": 1}, 0.0), "fe": ({"Fe": 1}, 0.0), "o2": ({"O": 2}, 0.0), "li2o": ({"Li": 2, "O": 1}, -2.0),
        "li2o-high": ({"Li": 4, "O": 2}, -1.5), "feo": ({"Fe": 1, "O": 1}, -1.4),
        "lifeo2": ({"Li": 1, "Fe": 1, "O": 2}, -1.9), "fe2": ({"Fe": 2, "O": 3}, 3.0),
    }  # fmt: skip
    counts = np.zeros((len(phases), MAX_Z + 1), dtype=np.int64)
    for row, (atoms, _) in zip(counts, phases.values(), strict=True):
        for element, n in atoms.items():
            row[atomic_number(element)] = n
    return ChemicalHull("test-1", list(phases), counts, np.array([e for _, e in phases.values()]))


def test_every_axis_starts_at_zero_and_shows_every_number() -> None:
    figure = round_figure([report(1), replace(report(2), control_hit_rate=0.0, hits=3, mae_ev_per_atom=0.03)])
    assert [axes.get_ylim()[0] for axes in figure.axes] == [0, 0, 0]
    texts = {t.get_text() for axes in figure.axes for t in axes.texts}
    assert {"5", "2", "3", "40 %", "0 %", "50", "30"} <= texts


def test_rounds_without_rates_are_drawn_without_them() -> None:
    figure = round_figure([replace(report(1), hit_rate=None, mae_ev_per_atom=None)])
    assert all(len(line.get_xdata()) == 0 for line in figure.axes[1].lines)
    assert png(round_figure([])).startswith(b"\x89PNG")


def test_hits_are_stacked_by_what_is_new_where_every_report_tells() -> None:
    kinds = {str(kind): {"novel": n, "hits": n} for kind, n in zip(NoveltyKind, (3, 1, 2), strict=True)}
    told = [replace(report(i), hits=6, by_novelty=kinds) for i in (1, 2)]
    axes = round_figure(told).axes[0]
    bars = {c.get_label(): [(b.get_y(), b.get_height()) for b in c] for c in axes.containers}
    assert [bars[f"hits: {kind}"][0] for kind in NoveltyKind] == [(0, 3), (3, 1), (4, 2)]
    assert axes.get_legend_handles_labels()[1] == ["verified", "stable", *(f"hits: {kind}" for kind in NoveltyKind)]
    older = round_figure([report(1), told[1]]).axes[0].get_legend_handles_labels()[1]
    assert older == ["verified", "stable", "stable and novel"]


def test_data_uri_holds_the_png() -> None:
    uri = data_uri(round_figure([report(1)]))
    assert b64decode(uri.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert len(uri) < 200_000  # an artifact, not an archive


def of(ids: str = "li fe o2 li2o feo", **others: Origin) -> dict[str, Origin]:
    """Origins of the made-up phases: elements and some compounds reported, others hypothetical but for those named."""
    hypothetical = dict.fromkeys(("li2o-high", "lifeo2", "fe2"), Origin.HYPOTHETICAL)
    return dict.fromkeys(ids.split(), Origin.REPORTED) | hypothetical | others


def test_binary_hull_line_runs_through_the_phases_on_it() -> None:
    figure = hull_figure(li_fe_o().system(("Li", "O")), of(li2o=Origin.FOUND))
    axes = figure.axes[0]
    line = axes.lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 1 / 3, 1])
    np.testing.assert_allclose(line.get_ydata(), [0, -2.0, 0])
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [
        "hull", "hypothetical, above the hull (1)", "reported or element, on the hull (2)", "found, on the hull (1)",
    ]  # fmt: skip
    assert {t.get_text() for t in axes.texts} >= {"Li₂O"}


def test_what_lies_above_the_frame_is_said() -> None:
    axes = hull_figure(li_fe_o().system(("Fe", "O")), of()).axes[0]
    assert "1 above the frame" in {t.get_text() for t in axes.texts}


def test_ternary_hull_tells_reported_hypothetical_and_found_apart() -> None:
    axes = hull_figure(li_fe_o().system(("Li", "Fe", "O")), of(feo=Origin.FOUND)).axes[0]
    texts = {t.get_text() for t in axes.texts}
    assert {"Li", "Fe", "O", "LiFeO₂", "Li₂O", "FeO"} <= texts
    handles, labels = axes.get_legend_handles_labels()
    assert labels == [
        "hypothetical, above the hull (1)", "hypothetical, on the hull (1)", "reported or element, on the hull (4)",
        "found, on the hull (1)",
    ]  # fmt: skip
    looks = {(h.get_paths()[0].vertices.shape, tuple(h.get_facecolor()[0])) for h in handles[1:]}
    assert len(looks) == 3, "each has its own marker and colour"


def test_other_numbers_of_elements_are_refused() -> None:
    with pytest.raises(ValueError, match="two or three"):
        hull_figure(li_fe_o().system(("Li",)), of())


def test_no_window_and_no_global_state() -> None:
    round_figure([report(1)])
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
