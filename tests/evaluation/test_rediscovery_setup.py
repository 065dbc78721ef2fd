"""A whole rediscovery with every part real, in a system of three elements and a few small cells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.assemble import load_references
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.errors import ConfigError, SourceError
from gnome_lite.evaluation.rediscovery import Hidden, concealed
from gnome_lite.evaluation.rediscovery_campaigns import arm_config, run_arm, why_not_made
from gnome_lite.evaluation.rediscovery_setup import Rediscovery, prepare_rediscovery, read_entries, read_parents_of
from gnome_lite.verify.results_log import read_results

ENERGIES = {"Sr": 0.0, "Ti": 0.0, "O2": 0.0, "SrO": -3.0, "TiO2": -3.3}


def perovskite(a: str, b: str) -> Crystal:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystal.make([atomic_number(e) for e in (a, b, "O", "O", "O")], sites, np.eye(3) * 3.9)


def write_entries(path: Path, entries: dict[str, tuple[Crystal, float | None]]) -> Path:
    records = [
        {
            "entry_id": name,
            "energy": None if energy is None else energy * len(crystal) + 1.5,
            "correction": -1.5,
            "structure": crystal.to_pymatgen().as_dict(),
        }
        for name, (crystal, energy) in entries.items()
    ]
    path.write_text(json.dumps(records))
    return path


def smallest(formulas: Collection[str]) -> dict[str, Crystal]:
    """Of the bundled seed, by formula."""
    found: dict[str, Crystal] = {}
    for crystal in sorted(load_references().within(("O", "Sr", "Ti")).crystals, key=len, reverse=True):
        found[crystal.reduced_formula] = crystal
    return {formula: found[formula] for formula in formulas}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known: dict[str, tuple[Crystal, float | None]] = {f: (c, ENERGIES[f]) for f, c in smallest(ENERGIES).items()}
    path = tmp_path_factory.mktemp("entries") / "Sr-Ti-O.json"
    return write_entries(path, known | {"STO": (perovskite("Sr", "Ti"), -3.6)})


def test_entries_carry_their_corrections(entries: Path) -> None:
    energies = {e.id: e.energy_ev_per_atom for e in read_entries(entries)}
    assert energies == pytest.approx(ENERGIES | {"STO": -3.6})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "holds no crystals; give pymatgen entries"),
        ("{", "pymatgen entries"),
        ('[{"@module": "os", "@import": 1}]', "not part of a structure"),
        ("[1]", "no structure"),
    ],
)
def test_entries_that_are_none(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(SourceError, match=says):
        read_entries(tmp_path / "bad.json")


def test_entries_of_no_system_or_without_energy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no energy"):
        read_entries(write_entries(tmp_path / "a.json", {"SrO": (smallest(["SrO"])["SrO"], None)}))
    with pytest.raises(ConfigError, match="3 to 6 elements"):
        read_entries(write_entries(tmp_path / "b.json", {"SrO": (smallest(["SrO"])["SrO"], -3.0)}))
    with pytest.raises(SourceError, match="there is no file"):
        read_entries(tmp_path / "absent.json.gz")
    (tmp_path / "torn.json.gz").write_bytes(b"\x1f\x8b\x08 torn")
    with pytest.raises(SourceError, match="cannot read"):
        read_entries(tmp_path / "torn.json.gz")


def test_parents_of_tables_and_of_files(tmp_path: Path) -> None:
    crystal = perovskite("Ba", "Ti")
    crystal.to_pymatgen().to(str(tmp_path / "one.cif"))
    cif = (tmp_path / "one.cif").read_text().replace('"', '""')
    (tmp_path / "table.csv").write_text(f'cif,formation_energy_per_atom\n"{cif}",-3.5\n')
    for name in ("one.cif", "table.csv"):
        (parent,) = read_parents_of(tmp_path / name)
        assert parent.crystal.reduced_formula == "BaTiO3"
        assert parent.id.startswith(name.split(".")[0])


@pytest.fixture(scope="module")
def task(entries: Path, tmp_path_factory: pytest.TempPathFactory) -> Rediscovery:
    return prepare_rediscovery(entries, [], tmp_path_factory.mktemp("home"))


@pytest.mark.soak
def test_known_is_the_seed_without_the_system_and_what_is_given(task: Rediscovery) -> None:
    config = arm_config("campaign", task, budget=6, rounds=2)
    known = load_references(config)
    assert not concealed(known.crystals, ("O", "Sr", "Ti")).any()
    given = {e.id for e in known} - {e.id for e in load_references()}
    assert given == {f"given-{name}" for name in ENERGIES}
    assert not task.not_given
    seed = load_references()
    assert len(known) == len(seed) - concealed(seed.crystals, ("O", "Sr", "Ti")).sum() + len(given)
    (hidden,) = task.hidden
    assert {task.crystals[i].reduced_formula for i in hidden.parents} >= {"CaTiO3"}


@pytest.mark.soak
def test_arms_find_perovskite_again_and_relax_nothing_twice(task: Rediscovery) -> None:
    def config(arm: str) -> CampaignConfig:
        full = arm_config(arm, task, budget=6, rounds=2, max_atoms=5)  # type: ignore[arg-type]
        predict = full.predict.model_copy(update={"retrain_epochs": 1, "replay_buffer": 100})
        generate = full.generate.model_copy(update={"candidates": 40})
        return full.model_copy(update={"predict": predict, "generate": generate})

    results = {arm: run_arm(arm, task, config(arm)) for arm in ("campaign", "ion_exchange", "random")}  # type: ignore[arg-type]
    for result in results.values():
        assert 0 < len(result.trials) <= 6
        assert [t.rank for t in result.trials] == list(range(1, len(result.trials) + 1))
        for t in result.trials:
            assert concealed(CrystalBatch.from_crystals([t.candidate.crystal]), ("O", "Sr", "Ti")).all()
            assert len(t.candidate.crystal) <= 5
    (back,) = results["ion_exchange"].returns
    assert back.found
    assert back.generator == "substitution"
    assert results["ion_exchange"].found_within(back.rank or 0) == 1
    assert results["ion_exchange"].found_within((back.rank or 0) - 1) == 0
    kept = Counter(v.candidate_id for v in read_results(task.home / "verified.jsonl"))
    assert max(kept.values()) == 1
    assert set(kept) >= {t.candidate.id for r in results.values() for t in r.trials}
    again = run_arm("ion_exchange", task, config("ion_exchange"))
    assert again.as_json() == results["ion_exchange"].as_json()
    with pytest.raises(ConfigError, match="began with"):
        run_arm("random", task, arm_config("random", task, budget=8, rounds=2, max_atoms=5))


@pytest.mark.soak
def test_why_a_candidate_was_never_made(task: Rediscovery) -> None:
    (hidden,) = task.hidden
    config = arm_config("ion_exchange", task, budget=2, rounds=1)

    def why(h: Hidden, **generate: object) -> str:
        other = config.generate.model_copy(update=generate)
        return why_not_made(h, task, config.model_copy(update={"generate": other}))

    assert why(hidden, max_atoms=4) == "parents have more than 4 atoms"
    assert why(hidden, threshold=0.9).startswith("substitution of probability")
    gates = config.gates.model_copy(update={"volume_per_atom_max": 5.0})
    assert why_not_made(hidden, task, config.model_copy(update={"gates": gates})) == "gate: volume per atom"
