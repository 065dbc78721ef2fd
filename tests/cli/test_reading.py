"""query, show, export, status, init: on a real store.

Covers `query`, `show`, `export`, `status` and `template`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from cli.conftest import Call
from pydantic import BaseModel
from samples.small_campaign import CRYSTALS, higher, verdict

from gnome_lite.cli.template import campaign_toml
from gnome_lite.config import CampaignConfig
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

LIF = CRYSTALS[0].content_id
ROOT = Path(__file__).resolve().parents[2]


def ids(text: str) -> list[str]:
    return [row["id"] for row in json.loads(text)]


def test_json_goes_to_stdout_and_the_count_does_not(call: Call) -> None:
    said = call("query", "--format", "json")
    assert said.code == 0
    assert len(json.loads(said.out)) == 4
    assert said.err == ""


def test_table_and_count(call: Call) -> None:
    said = call("query", "--stable")
    assert said.code == 0
    assert LIF in said.out
    assert "2 crystals (2 surrogate-stable at level test-1; energies in eV/atom)" in said.err


@pytest.mark.parametrize(
    ("options", "formulas"),
    [
        (["--elements", "Li,F"], {"LiF"}),
        (["--elements", "Cl"], {"NaCl", "KCl"}),
        (["--only", "Na,Cl,K"], {"NaCl", "KCl"}),
        (["--exclude", "F, Na"], {"KCl"}),
        (["--chemsys", "F-Li"], {"LiF"}),
        (["--formula", "Na2Cl2"], {"NaCl"}),
        (["--e-hull-max", "0.05"], {"LiF", "KCl", "NaMnF3"}),
        (["--nsites", "3-8"], {"NaMnF3"}),
        (["--nsites", "2"], {"LiF", "NaCl", "KCl"}),
        (["--nsites", "-2", "--novel"], {"LiF", "NaCl"}),
        (["--no-novel"], {"KCl"}),
        (["--sg", "225"], {"LiF", "NaCl", "KCl"}),
        (["--sg", "Pm-3m"], {"NaMnF3"}),
        (["--campaign", "first", "--round", "1", "--unverified", "--elements", "Hf"], {"HfC"}),
        (["--elements", "U"], set()),
    ],
)
def test_filters(call: Call, options: list[str], formulas: set[str]) -> None:
    said = call("query", "--format", "ndjson", *options)
    assert said.code == 0, said.err
    assert {json.loads(line)["formula"] for line in said.out.splitlines()} == formulas


def test_a_level_is_named_or_begun(call: Call, home: Path, tmp_path: Path) -> None:
    found = higher(SqlStore.open(home / "store.sqlite"))
    said = call("query", "--level", "high", "--format", "json")
    (row,) = json.loads(said.out)
    assert (row["id"], row["level"], row["e_above_hull_ev_per_atom"]) == (LIF, found.level, 0.02)
    assert f"1 crystal (0 surrogate-stable at level {found.level}" in call("query", "--level", "high").err
    assert call("export", "--level", "high", "--format", "csv", tmp_path / "t.csv").code == 0
    (line,) = csv.DictReader((tmp_path / "t.csv").open())
    assert (line["Level"], line["Hull Id"]) == (found.level, "hull-of-higher")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--level", "nope"], "error: 'nope' is no level of this store: choose from test-1\n"),
        (["--campaign", "nope"], "error: the store has no campaign 'nope': it holds first\n"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(call: Call, options: list[str], words: str) -> None:
    for command in ("query", "export"):
        said = call(command, *options)
        assert (said.code, said.out, said.err) == (2, "", words)


def test_query_and_export_take_the_same_filters(call: Call) -> None:
    for command in ("query", "export"):
        told = call(command, "--help").out
        for f in fields(Query):
            flags = [*f.metadata.get("flags", ())] or [f"--{f.name}"]
            assert all((flag in told) == bool(f.metadata) for flag in flags[0].split("/")), f.name


def test_sort_limit_and_csv(call: Call) -> None:
    said = call("query", "--sort", "formula", "--limit", "2", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["Reduced Formula"] for row in rows] == ["KCl", "LiF"]


def test_show_prints_everything(call: Call) -> None:
    said = call("show", LIF)
    assert said.code == 0, said.err
    for words in (
        "LiF",
        "surrogate-stable at level test-1 relative to reference set",
        "(11 entries), hull hull-1",
        "not a DFT or experimental verdict",
        "novel: yes",
        "0.500 Li [ref-3] + 0.500 F2 [ref-9]",
        "Fm-3m (225)",
        "P(stable) 0.90",
        "off by -500 meV/atom",
        "chosen, rank 1",
        "Verdicts, oldest first",
        "ref-11 (reference set)",
        "by Na1+ -> K1+",
    ):
        assert words in said.out


def test_show_has_a_block_for_each_level(call: Call, home: Path) -> None:
    found = higher(SqlStore.open(home / "store.sqlite"))
    said = call("show", LIF)
    for words in (
        "surrogate-stable at level test-1 relative to reference set",
        f"surrogate-unstable, 20.0 meV/atom above the hull, at level {found.level} relative to reference set set-1, ",
        "Energies at test-1, eV/atom\nformation energy      -1.0000\nenergy above hull     +0.0000\n",
        f"Energies at {found.level}, eV/atom\nformation energy      -1.0000\nenergy above hull     +0.0200\n",
        f"Verification at {found.level}, campaign first, round 1: relaxed",
        f"above hull hull-of-higher, decomposition +0.0200, level {found.level}\n",
        "chosen, rank 1",
        "off by -500 meV/atom",
    ):
        assert words in said.out
    assert "moved" not in said.out
    assert "beware: the volume" not in said.out
    assert f"level {found.level}: 1 of 1 verified, 0 failed, 0 of 1 on the hull there" in call("status").out


def test_what_is_new_is_told_with_what_the_references_hold(call: Call, home: Path) -> None:
    store = SqlStore.open(home / "store.sqlite")
    lif, kcl = CRYSTALS[0], CRYSTALS[2]
    verdicts = [
        replace(verdict(lif, 0.0), novelty=NoveltyKind.STRUCTURE, nearest_known="reported-1"),
        replace(verdict(kcl, 0.0, novel=False), novelty=NoveltyKind.TO_REPORTED, nearest_known="seed-1"),
    ]
    coverage = {"F-Li": (1, 7), "Cl-K": (0, 1)}
    store.reissue_verdicts("first", verdicts, "other references", "hull-2", {"coverage": coverage})
    shown = call("show", LIF).out
    for words in (
        "novel: yes; nearest of its formula: reported-1; ordering suspect: no\n",
        "beside the references: new structure (reported compounds have its formula, no reference has its structure)\n",
        "references in F-Li: 1 reported and 7 hypothetical compounds\n",
        "moved: new structure now\n",
    ):
        assert words in shown
    other = call("show", kcl.content_id).out
    assert "novel: no; the same as seed-1; ordering" in other
    assert "beside the references: new to the reported list (only hypothetical references have" in other
    rows = {row["MaterialId"]: row for row in csv.DictReader(io.StringIO(call("query", "--format", "csv").out))}
    assert (rows[LIF]["Novelty"], rows[kcl.content_id]["Novelty"]) == ("new structure", "new to the reported list")
    (row,) = json.loads(call("query", "--formula", "LiF", "--format", "json").out)
    assert (row["novel"], row["novelty"]) == (True, "new structure")
    lines = {line.split()[0]: line for line in call("query").out.splitlines()}
    assert "new structure" in lines[LIF]
    assert "new to the reported list" not in lines[kcl.content_id], "it is not novel"
    assert "stable and novel: 1 new structure of a reported formula\n" in call("status").out


def test_a_volume_that_another_level_changes_is_a_warning(call: Call, home: Path) -> None:
    higher(SqlStore.open(home / "store.sqlite"), grown=1.09)
    assert "beware: the volume is 1.09 times as large at higher-1 as at test-1" in call("show", LIF).out


def test_show_of_a_failed_and_of_an_unverified_crystal(call: Call) -> None:
    assert "verification failed: timeout" in call("show", CRYSTALS[4].content_id).out
    assert "not verified yet" in call("show", CRYSTALS[5].content_id).out


def test_show_takes_the_beginning_of_an_id(call: Call) -> None:
    assert LIF in call("show", LIF[:8]).out


@pytest.mark.parametrize("kind", ["cif", "poscar", "extxyz", "ase", "csv", "json"])
def test_export(call: Call, tmp_path: Path, kind: str) -> None:
    said = call("export", "--format", kind, "--stable", tmp_path / "out" / "here")
    assert said.code == 0, said.err
    paths = [Path(line) for line in said.out.splitlines()]
    assert len(paths) == (2 if kind in ("cif", "poscar") else 1)
    assert all(path.stat().st_size for path in paths)


def test_status(call: Call) -> None:
    said = call("status", "--failures")
    assert said.code == 0, said.err
    assert "campaign first" in said.out
    assert "level test-1" in said.out
    assert "SrTiO3" in said.out
    assert "timeout" in said.out


def test_what_failed_is_kept_for_inspection(call: Call, tmp_path: Path) -> None:
    from ase.io import read

    kept = tmp_path / "failed.extxyz"
    said = call("status", "--failures", "--crystals", kept)
    assert said.code == 0, said.err
    atoms = read(kept)
    assert sorted(atoms.get_chemical_symbols()) == ["O", "O", "O", "Sr", "Ti"]
    assert atoms.info["failure"] == "timeout"
    assert atoms.info["id"] == CRYSTALS[4].content_id


def test_init_writes_the_default_campaign_and_overwrites_nothing(call: Call, tmp_path: Path) -> None:
    assert call("init").code == 0
    assert CampaignConfig.from_toml(tmp_path / "campaign.toml") == CampaignConfig()
    assert len((tmp_path / "campaign.toml").read_text().splitlines()) <= 40
    assert call("init", "all.toml", "--all").code == 0
    assert CampaignConfig.from_toml(tmp_path / "all.toml") == CampaignConfig()
    every = (tmp_path / "all.toml").read_text()
    for name, section in CampaignConfig():
        keys = type(section).model_fields if isinstance(section, BaseModel) else [name]
        assert all(f"\n{key} = " in every or f"\n# {key} = " in every for key in keys if key != "level"), name
    (tmp_path / "campaign.toml").write_text("mine")
    said = call("init")
    assert said.code == 2
    assert "campaign.toml exists already" in said.err
    assert (tmp_path / "campaign.toml").read_text() == "mine"


def test_a_changed_campaign_survives_its_file(tmp_path: Path) -> None:
    config = CampaignConfig.model_validate(
        {"name": "x", "space": {"chemical_systems": ["Li-O"]}, "verify": {"calculator_kwargs": {"a": 'q"\\', "b": 1}}}
    )
    for every in (True, False):
        (tmp_path / "c.toml").write_text(campaign_toml(config, every), encoding="utf-8")
        assert CampaignConfig.from_toml(tmp_path / "c.toml") == config


def cpu_seconds(*arguments: str) -> float:
    """Return the processor time of one Python process, which a busy machine hardly stretches."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_commands_start_fast(home: Path) -> None:
    """On a calm processor of 2024 SQLAlchemy alone takes 0.4 s, help must take < 0.5 and a listing < 1.3."""
    commands = {
        "peer": ("-c", "import sqlalchemy"),
        "help": ("-m", "gnome_lite.cli", "--help"),
        "help of a command": ("-m", "gnome_lite.cli", "query", "--help"),
        "listing": ("-m", "gnome_lite.cli", "query"),
    }
    for arguments in commands.values():  # compiles bytecode
        cpu_seconds(*arguments)
    rounds = [{name: cpu_seconds(*arguments) for name, arguments in commands.items()} for _ in range(4)]
    best = {name: min(seconds[name] for seconds in rounds) for name in commands}
    assert best["help"] < 1.25 * best["peer"], best
    assert best["help of a command"] < 1.25 * best["peer"], best
    assert best["listing"] < 3.2 * best["peer"], best


@pytest.mark.parametrize("command", [["--help"], ["query"], ["show", "nothing"], ["status"]])
def test_commands_that_read_import_no_heavy_library(home: Path, command: list[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gnome_lite.cli", *command],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    ).stderr  # fmt: skip
    imported = {line.rsplit("|", 1)[1].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert "gnome_lite.cli.app" in imported
    heavy = {"torch", "torch_geometric", "pymatgen", "scipy", "pandas", "pyarrow", "prefect", "matplotlib"}
    assert not imported & heavy


def test_no_arguments_is_help(call: Call) -> None:
    said = call()
    assert said.code == 0
    assert "query" in said.out


def test_a_reader_that_leaves_early_is_no_error(home: Path) -> None:
    command = f"{sys.executable} -m gnome_lite.cli query --format json | head -c 10"
    done = subprocess.run(
        command, shell=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True
    )
    assert done.stderr == b""
    assert done.stdout == b'[\n {\n  "id'[:10]
