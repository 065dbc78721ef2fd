"""analyse, synthesis, plot, release, match, seed gases: on a real store, and with what cannot be used.

Covers `analyse`, `synthesis`, `plot`, `release`, `match`, `seed`, `app` and `common`.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from cli.conftest import Call, Said
from samples.resealed import reseal
from samples.small_campaign import CRYSTALS, references

from gnome_lite.config import CampaignConfig, Sources
from gnome_lite.core.records import CandidatePool, Verification
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.reference_files import write_references
from gnome_lite.store.database import SqlStore

LIF = CRYSTALS[0].content_id
ELEMENTS = ("Li", "Fe", "Ca", "C", "H", "O")


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose campaign has a part of the seed as references, and one verified crystal: LiFeO2 a little lower."""
    import numpy as np
    from samples.small_campaign import verdict

    from gnome_lite.core.crystals import CrystalBatch

    path = tmp_path_factory.mktemp("seeded") / "store.sqlite"
    store = SqlStore.open(path)
    known = SeedSource().load().within(ELEMENTS)
    references = path.with_name("references.parquet")
    write_references(references, known)
    store.begin(CampaignConfig(name="real", rounds=1, sources=Sources(seed=False, files=(references,))), known)
    entry = min((e for e in known if e.crystal.reduced_formula == "LiFeO2"), key=lambda e: e.energy_ev_per_atom)
    batch = CrystalBatch.from_crystals([entry.crystal])
    pool = CandidatePool(batch, (entry.id,), ("none",), ("test",), np.array([0.5]), np.array([1]), 1)
    store.add_candidates("real", pool, ["LiFeO2|"], {})
    store.add_selection("real", 1, [entry.crystal.content_id], [], {})
    energy = entry.energy_ev - 0.01 * len(entry.crystal)
    name = entry.crystal.content_id
    store.add_verification("real", 1, Verification(name, entry.crystal, energy, 0.01, 3, True, known.level, 1.0))
    from dataclasses import replace

    issued = replace(verdict(entry.crystal, 0.0), level=known.level)
    store.add_verdicts("real", 1, [issued], {})
    return path


@pytest.fixture
def real(seeded_file: Path, home: Path) -> Path:
    shutil.copy(seeded_file, home / "store.sqlite")
    return home


def test_analyse_prints_everything(call: Call, real: Path) -> None:
    said = call("analyse", "CaO", "LiFeO2")
    assert said.code == 0, said.err
    for words in (
        "CaO + CO2 -> CaCO3",
        "point group m-3m",
        "corrected to mp-GGA_GGA+U-MP2020 by delta-",
        "P(DFT-stable)",
        "prototype AB_cF8_225_a_b",
        "a framework (dimensionality 3)",
        "2 CaO -> CaO2 + Ca",
        "its polymorph seed-",
        "CaO  (reported compound)\n",
        "LiFeO2  (verified here, no reference)\n",
        "references in Fe-Li-O: ",
        "gases as their crystals at 0 K",
        "Chemical potentials at which it is stable",
        "gl-",  # of the two LiFeO2 the verified one is lower
    ):
        assert words in said.out


def test_analyse_as_json_with_a_temperature(call: Call, real: Path) -> None:
    (cold,) = json.loads(call("analyse", "CaO", "--gas", "CO2", "--format", "json").out)
    (hot,) = json.loads(call("analyse", "CaO", "--gas", "CO2", "--format", "json", "--temperature", "1500").out)
    assert cold["with_gas"]["CO2"]["downhill"]
    assert cold["with_gas"]["CO2"]["energy_ev_per_formula"] == pytest.approx(-1.70, abs=0.05)
    assert not hot["with_gas"]["CO2"]["downhill"]  # limestone is burnt
    assert set(cold["with_gas"]) == {"CO2"}
    assert cold["origin"] == "reported"
    assert (cold["references"]["system"], cold["references"]["alone"]) == ("Ca-O", [])
    assert cold["references"]["reported"] >= 2, "CaO and CaO2"
    assert cold["chemical_potentials_ev"]["range"]["Ca"][1] == pytest.approx(0.0, abs=1e-6)


def test_what_a_verified_crystal_makes_is_no_precursor(call: Call, real: Path) -> None:
    from samples.phase_sets import seed_phases

    from gnome_lite.analysis.lookup import find_phase
    from gnome_lite.analysis.synthesis_routes import synthesis

    said = call("synthesis", "LiFeO2", "--format", "json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["id"].startswith("gl-")
    assert "Fe2O3 + Li2O -> 2 LiFeO2" in [route["equation"] for route in found["routes"]]
    known = synthesis(seed_phases(), find_phase(seed_phases(), "LiFeO2")).inverse_hull_ev_per_atom
    assert found["inverse_hull_ev_per_atom"] == pytest.approx(known + 0.01, abs=1e-6)  # so much lower it was verified
    assert "meV/atom below the hull of all other compositions" in call("synthesis", "LiFeO2").err


def test_plots_are_pictures(call: Call, real: Path, tmp_path: Path) -> None:
    for system, name in (("Li-O", "a.png"), ("Fe-Li-O", "b.svg")):
        said = call("plot", system, tmp_path / name)
        assert said.code == 0, said.err
        assert (tmp_path / name).stat().st_size > 5000
    assert "1 found here" in said.err
    assert "references in Fe-Li-O: " in said.err
    assert " reported and " in said.err.splitlines()[-1]


def test_release_check_and_use(call: Call, real: Path, tmp_path: Path) -> None:
    said = call("release", tmp_path / "out")
    assert said.code == 0, said.err
    assert "1 crystals on hull" in said.err
    assert call("release", tmp_path / "out", "--check").code == 0
    again: Said = call("analyse", "LiFeO2", "--references", tmp_path / "out", "--format", "json")
    assert json.loads(again.out)[0]["id"].startswith("gl-")
    # As known crystals of another campaign, in a home without a store.
    config = CampaignConfig.model_validate({"sources": {"seed": False, "releases": [tmp_path / "out"]}})
    from gnome_lite.assemble import load_references

    assert len(load_references(config)) == len(SeedSource().load().within(ELEMENTS)) + 1
    (tmp_path / "out" / "stable_summary.csv").write_text("x")
    bad = call("release", tmp_path / "out", "--check")
    assert bad.code == 2
    assert "checksum differs" in bad.err


def test_match(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("formula,space_group,id\nLiF,Fm-3m,halite\nKCl,,\nFoo,,\n")
    said = call("match", path, "--format", "csv")
    assert said.code == 0, said.err
    rows = {row["formula"]: row for row in csv.DictReader(io.StringIO(said.out))}
    assert (rows["LiF"]["by"], rows["LiF"]["made"]) == ("formula and space group", "halite")
    assert rows["KCl"]["by"] == "formula only"
    assert "left out: no formula of whole numbers 1" in said.err
    assert "novel and stable: 1 of 1 made (100%): 0 by structure, 1 by formula and space group" in said.err
    assert LIF in call("match", path).out


def test_match_by_structure(call: Call, tmp_path: Path) -> None:
    CRYSTALS[0].to_pymatgen().to(filename=str(tmp_path / "LiF.cif"))
    (row,) = json.loads(call("match", tmp_path / "LiF.cif", "--format", "json").out)
    assert (row["by"], row["made"]) == ("structure", ["LiF.cif"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["analyse", "gl-nothing"], "no phase 'gl-nothing'"),
        (["analyse", "seed-0"], "ids that begin with 'seed-0'"),
        (["analyse", "CaO", "--gas", "N2"], "none of the gases here"),
        (["analyse", "CaO", "--temperature", "-3"], "positive temperature"),
        (["analyse", "CaO", "--campaign", "other"], "no campaign 'other'"),
        (["analyse", "CaO", "--references", "nowhere"], "is no release"),
        (["synthesis", "Fe"], "an element"),
        (["plot", "Li-Xx"], "there is no element"),
        (["plot", "Li-Fe-O-P"], "two or three elements"),
        (["plot", "Li-O", "a.txt"], "ends in .png"),
        (["release", "home"], "not empty"),
        (["release", "nowhere", "--check"], "is no release"),
        (["match", "nowhere.csv"], "there is no list"),
        (["seed", "gases", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_bad_input_is_one_line_and_code_2(call: Call, real: Path, arguments: list[str], says: str) -> None:
    said = call(*arguments)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_without_gases_the_remedy_is_named(call: Call, home: Path, tmp_path: Path) -> None:
    """A release of another level, for which nothing is shipped."""
    store = SqlStore.open(home / "store.sqlite", create=False)
    from gnome_lite.report.release_writer import write_release

    phases = references().add(store.verifications("test-1"))
    write_release(tmp_path / "small", phases, [])
    said = call("analyse", "LiF", "--references", tmp_path / "small", "--gas", "CO2")
    assert said.code == 2
    assert "gnome-lite seed gases" in said.err
    assert call("analyse", "LiF", "--references", tmp_path / "small").code == 0


def test_a_store_of_an_older_version_is_read(call: Call, real: Path) -> None:
    """Settings that had other values once, and are not asked for here."""
    import sqlite3

    with sqlite3.connect(real / "store.sqlite") as connection:
        (text,) = connection.execute("SELECT config FROM campaign").fetchone()
        config = json.loads(text)
        config["gates"]["charge_balance"] = True
        config["gates"]["forgotten"] = 1
        connection.execute("UPDATE campaign SET config = ?", (json.dumps(config),))
    reseal(real)
    assert call("analyse", "CaO").code == 0


def test_the_documentation_shows_what_is_printed(call: Call, home: Path) -> None:
    """The synthesis table, and the Python of docs/analyses.md, which runs without a store."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "analyses.md").read_text(encoding="utf-8")
    table = page.split("$ gnome-lite synthesis BaTiO3\n")[1].split("```")[0]
    (home / "store.sqlite").unlink()
    said = call("synthesis", "BaTiO3")
    assert [line.split() for line in said.out.splitlines()] == [line.split() for line in table.splitlines()]
    exec(page.split("```python\n")[1].split("```")[0], {})
