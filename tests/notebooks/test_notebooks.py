"""Every notebook runs from top to bottom against a real store."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from samples.small_campaign import report, rocksalt

from gnome_lite.assemble import load_references, open_store
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import CandidatePool, Credibility, ModelRecord, Prediction, Verdict, Verification
from gnome_lite.settings import Settings
from gnome_lite.stability.hull import build_hull

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def verified_beside(references: PhaseSet) -> list[Verification]:
    """Two polymorphs of a real reference, 10 meV/atom below and 60 above it, so that one of them is on the hull."""
    entry = min((e for e in references if e.crystal.chemical_system == "Cl-Na"), key=lambda e: e.energy_ev_per_atom)
    made = []
    for a, shift in ((6.1, -0.01), (6.4, 0.06)):
        crystal = rocksalt(11, 17, a)
        energy = len(crystal) * (entry.energy_ev_per_atom + shift)
        made.append(Verification(crystal.content_id, crystal, energy, 0.01, 5, True, references.level, 1.0))
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a round on the bundled seed: real crystals and hull, made-up relaxations."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    config = CampaignConfig(name="noted", rounds=1)
    references = load_references(config, settings)
    store = open_store(settings, create=True)
    store.begin(config, references)
    store.add_model("noted", 0, ModelRecord("model-0", "models/0", 90, 10, 0.05), {})
    outcomes = verified_beside(references)
    crystals: list[Crystal] = [v.crystal for v in outcomes]
    n, parent = len(crystals), references[0].id
    store.add_candidates(
        "noted",
        CandidatePool(
            CrystalBatch.from_crystals(crystals),
            (parent,) * n,
            ("a -> b",) * n,
            ("test",) * n,
            np.full(n, 0.5),
            np.ones(n, np.int64),
            1,
        ),
        [f"f{i}" for i in range(n)],
        {},
    )
    ids = [c.content_id for c in crystals]
    store.add_predictions("noted", 1, [Prediction(i, -2.0, 0.02, 0.01, 0.5, "model-0") for i in ids], {})
    store.add_selection("noted", 1, ids, [], {})
    for outcome in outcomes:
        store.add_verification("noted", 1, outcome)
    hull = build_hull(references.add(outcomes))
    verdicts = [
        Verdict(
            i, p.e_form_ev_per_atom, p.e_above_hull_ev_per_atom, p.decomposition_ev_per_atom, p.products, hull.id,
            references.level, True, None, "", Credibility(False, (), None, False),
        )
        for i, p in zip(ids, hull.verdicts(ids), strict=True)
    ]  # fmt: skip
    store.add_verdicts("noted", 1, verdicts, {})
    store.add_report("noted", report(1))
    return home


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("GNOME_LITE_HOME", str(home))
    monkeypatch.delenv("GNOME_LITE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    text = "".join(o.get("text", "") for o in outputs)
    assert "1 are surrogate-stable and not in the reference set" in text
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 3  # rounds, hull, crystal


def test_notebooks_are_kept_without_outputs() -> None:
    import nbformat

    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), f"{path.name}: clear its outputs"
