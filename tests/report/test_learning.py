"""Pictures of what was learnt show what the store holds, and only that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gnome_lite.core.records import ModelRecord, Prediction
from gnome_lite.report.learning import learning_figures
from gnome_lite.settings import bundled

SHIPPED = bundled("models", "base-chgnet-0.3.0")


class Rounds:
    """A store of two rounds: crystals "1a", "1b" of round 1, "2a" of round 2; all predicted in both."""

    def __init__(self, model: Path) -> None:
        self.path = model
        self.e_form = {"1a": -1.0, "1b": -2.0, "2a": -0.5}

    def model(self, campaign: str, round: int) -> ModelRecord:
        return ModelRecord("gnn-0", str(self.path), 1, 1, 0.1)

    def verdicts(self, campaign: str, round: int) -> dict[str, Any]:
        known = {i: e for i, e in self.e_form.items() if int(i[0]) <= round}
        return {i: SimpleNamespace(e_form_ev_per_atom=e, stable=e < -0.8) for i, e in known.items()}

    def selected(self, campaign: str, round: int) -> list[tuple[Any, str]]:
        return [(SimpleNamespace(id=i), "chosen") for i in self.e_form if int(i[0]) == round]

    def predictions(self, campaign: str, round: int) -> list[tuple[Any, Prediction]]:
        return [
            (SimpleNamespace(id=i), Prediction(i, e + 0.1 * round, 0.1, 0.0, 0.5, "gnn-0"))
            for i, e in self.e_form.items()
        ]


def test_each_crystal_as_it_was_predicted_in_its_own_round() -> None:
    figures = learning_figures(Rounds(SHIPPED), "one", 2)  # type: ignore[arg-type]
    titles = [
        "Training of gnn-0",
        "Predicted before, verified after: 3 crystals",
        "P(stable) and the share found stable",
    ]
    assert list(figures) == titles
    points = figures[titles[1]].axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, [[-1.0, -0.9], [-2.0, -1.9], [-0.5, -0.3]])
    assert len(figures[titles[0]].axes[0].lines) == 2 * 4  # loss and hold-out of four members


def test_nothing_is_shown_of_what_is_not_there(tmp_path: Path) -> None:
    store = Rounds(tmp_path / "moved away")
    store.e_form = {}
    assert learning_figures(store, "one", 2) == {}  # type: ignore[arg-type]
