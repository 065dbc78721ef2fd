"""`references compute` and `finetune`, with real calculators.

Covers `references_compute` and `finetune`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from cli.conftest import Call

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import LevelMismatchError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.file_references import FileSource
from gnome_lite.sources.reference_files import read_references
from gnome_lite.verify.calculators import make_calculator
from gnome_lite.verify.trajectories import Frame, write_trajectory


def test_references_of_a_system_at_another_level(call: Call, home: Path, tmp_path: Path) -> None:
    """Al-Ni by effective medium theory: what is written is that level's reference set, and computed once."""
    said = call("references", "compute", "Ni-Al", "--level", "emt", "--out", tmp_path / "al-ni.parquet")
    assert said.code == 0, said.err
    entries = read_references(tmp_path / "al-ni.parquet")
    assert {e.level for e in entries} == {"emt"}
    assert {"Al", "Ni", "Al3Ni2"} <= {e.crystal.reduced_formula for e in entries}
    assert "Al3Ni2" in said.out
    lowest = min(e.energy_ev_per_atom for e in entries if e.crystal.reduced_formula == "Ni")
    atoms = bulk("Ni", "fcc", a=3.49)  # EMT's own lattice constant
    atoms.calc = make_calculator("emt")
    assert lowest == pytest.approx(atoms.get_potential_energy(), abs=2e-3)
    results_log = home / "levels" / "emt.jsonl"
    before = results_log.read_bytes()
    assert call("references", "compute", "Al-Ni", "--level", "emt", "--out", tmp_path / "again.parquet").code == 0
    assert results_log.read_bytes() == before
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "al-ni.parquet").read_bytes()
    loaded = FileSource([tmp_path / "al-ni.parquet"], "emt").load()
    assert loaded.id == PhaseSet.make(entries).id
    with pytest.raises(LevelMismatchError, match=r"levels chgnet-0\.3\.0, emt"):
        PhaseSet.make([*loaded, *SeedSource().load()])


@pytest.mark.slow
def test_finetune_tells_its_errors(call: Call, tmp_path: Path) -> None:
    calculator = make_calculator("chgnet")
    rng = np.random.default_rng(0)
    for k, (cation, anion) in enumerate([(c, a) for c in ("Li", "Na", "K") for a in ("F", "Cl", "Br")]):
        frames = []
        for _ in range(2):
            atoms = bulk(cation + anion, "rocksalt", a=4.5 + 0.3 * k**0.5)
            atoms.rattle(0.1, rng=rng)
            atoms.calc = calculator
            energy = atoms.get_potential_energy() + 1.0 * len(atoms)  # another zero of energy
            forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
            frames.append(Frame(Crystal.from_ase(atoms), energy, forces, stress))
        write_trajectory(tmp_path / "kept", "parquet", "other-1", cation + anion, frames)
    out = tmp_path / "tuned.safetensors"
    said = call("finetune", tmp_path / "kept", "--out", out, "--epochs", 1, "--format", "json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["labels"] == "other-1"
    assert found["before"]["energy_ev_per_atom"] == pytest.approx(1.0, abs=1e-3)
    assert found["after"]["energy_ev_per_atom"] < 0.2
    assert found["n_train"] + found["n_validation"] + found["n_holdout"] == 18
    assert (
        call("references", "compute", "Al-Ni", "--level", "chgnet", "--set", f"checkpoint={tmp_path / 'no'}").code == 2
    )
    said = call("finetune", tmp_path / "kept", "--base", out, "--out", tmp_path / "more.safetensors", "--epochs", 0)
    assert said.code == 0, said.err
    assert "elements refitted" in said.out
    assert f"level {found['level']}" not in said.out
