"""WBM: what is read, and the figures against a hand calculation and scikit-learn's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, r2_score, recall_score

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.core.metrics import discovery_metrics, regression_metrics
from gnome_lite.core.records import Failure, Verification
from gnome_lite.evaluation.wbm import formation_energies_of, read_wbm, wbm_figures

ELEMENTS = {"Na": -1.3, "Cl": -1.8}


def row(name: str, e_form: float) -> dict[str, Any]:
    energy = 2 * e_form + sum(ELEMENTS.values())
    return {
        "material_id": name, "lattice": [[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]], "species": ["Na", "Cl"],
        "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]], "corrected_energy": energy,
        "corrected_formation_energy_per_atom": e_form,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = {e: {"energy": 2 * v, "correction": 0.0, "composition": {e: 2.0}} for e, v in ELEMENTS.items()}
    (tmp_path / "mp_elemental_reference_entries.json").write_text(json.dumps(entries))
    rows = [row(f"wbm-1-{i}", e) for i, e in enumerate((-2.0, -1.5, -1.0))]
    (tmp_path / "wbm_part.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    return tmp_path


def outcome(name: str, crystal: Crystal, energy_ev: float, failure: Failure | None = None) -> Verification:
    return Verification(name, crystal, energy_ev, 0.0, 0, True, "l", 0.0, failure)


def test_energies_of_a_level_stand_against_dfts_elements(folder: Path) -> None:
    wbm = read_wbm(folder)
    assert wbm.ids == ("wbm-1-0", "wbm-1-1", "wbm-1-2")
    assert wbm.elemental_ev_per_atom == ELEMENTS
    exact = [outcome(i, c, 2 * e) for i, c, e in zip(wbm.ids, wbm.crystals, wbm.energy_ev_per_atom, strict=True)]
    np.testing.assert_allclose(formation_energies_of(wbm, exact), wbm.e_form_ev_per_atom, atol=1e-12)
    exact[1] = outcome("wbm-1-1", wbm.crystals[1], np.nan, Failure.CRASHED)
    e_form = formation_energies_of(wbm, exact) + 0.01
    figures = wbm_figures(wbm, e_form)
    assert (figures.n, figures.missing, figures.discovery) == (3, 1, None)
    assert figures.mae_ev_per_atom == pytest.approx(0.01)
    assert figures.bias_ev_per_atom == pytest.approx(0.01)
    assert len(wbm.first(2)) == 2


def test_distances_come_from_the_summary_and_move_with_the_error(folder: Path) -> None:
    table = "material_id,e_above_hull_mp2020_corrected_ppd_mp\nwbm-1-0,-0.02\nwbm-1-1,0.03\nwbm-1-2,\n"
    (folder / "wbm-summary.csv").write_text(table)
    wbm = read_wbm(folder)
    np.testing.assert_array_equal(wbm.e_above_hull_ev_per_atom, [-0.02, 0.03, np.nan])
    figures = wbm_figures(wbm, wbm.e_form_ev_per_atom + np.array([0.01, -0.05, 1.0]))
    assert figures.discovery is not None
    assert (figures.discovery.n, figures.discovery.prevalence) == (2, 0.5)
    assert (figures.discovery.precision, figures.discovery.recall, figures.discovery.daf) == (0.5, 1.0, 1.0)


def test_metrics_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0.05, 0.1, 500)
    said = true + rng.normal(0, 0.05, 500)
    found = discovery_metrics(true, said)
    labels = true <= 0, said <= 0
    assert found.precision == pytest.approx(precision_score(*labels))
    assert found.recall == pytest.approx(recall_score(*labels))
    assert found.f1 == pytest.approx(f1_score(*labels))
    assert found.daf == pytest.approx(precision_score(*labels) / labels[0].mean())
    assert found.r2 == pytest.approx(r2_score(true, said))
    missing = np.where(rng.random(500) < 0.3, np.nan, said)
    some = discovery_metrics(true, missing)
    filled = np.where(np.isnan(missing), 1.0, missing)
    assert some.recall == pytest.approx(recall_score(true <= 0, filled <= 0)), "missing counts as unstable"
    assert some.missing == np.isnan(missing).sum()


def test_metrics_of_nothing_are_none() -> None:
    none = np.array([])
    assert regression_metrics(none, none) == (None, None)
    all_unstable = discovery_metrics(np.array([0.1, 0.2]), np.array([0.1, np.nan]))
    assert (all_unstable.precision, all_unstable.recall, all_unstable.f1, all_unstable.daf) == (None,) * 4


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("mp_elemental_reference_entries.json", None, "holds no mp_elemental"),
        ("mp_elemental_reference_entries.json", "[1]", "not pymatgen's entries"),
        ("wbm_part.json.gz", None, r"holds no wbm\*"),
        ("wbm_part.json.gz", "[{}]", "not as WBM's crystals"),
        ("wbm_part.json.gz", "{", "cannot read"),
        ("wbm-summary.csv", "a,b\n1,2\n", "cannot read"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, name: str, content: str | None, says: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(SourceError, match=says) as raised:
        read_wbm(folder)
    assert "\n" not in str(raised.value)
