"""`gnome-lite benchmark`: the table, the files it leaves, what it does not do twice, and bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli.conftest import Call
from cli.test_bad_input import one_line
from samples.seed_pool import write_seed_pool

from gnome_lite.evaluation.pool_files import read_pool

ELEMENTS = ("Li", "Na", "Mg", "O", "Cl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("universe")
    write_seed_pool(path, ELEMENTS, fail_every=10)
    return path


def test_replays_are_printed_drawn_written_and_kept(call: Call, home: Path, made: Path, tmp_path: Path) -> None:
    asked = ("benchmark", "replay", "--pool", made, "--budget", "6", "--rounds", "2", "--seeds", "2")
    more = ("--strategies", "perfect,random,greedy", "--json", tmp_path / "new" / "r.json", "--plots", tmp_path / "p")
    said = call(*asked, *more)
    assert said.code == 0, said.err
    named = [line.strip("│ ").split()[0] for line in said.out.splitlines() if line.startswith("│")]
    assert named == ["perfect", "random", "greedy"]
    assert "truly stable" in said.err
    assert {p.name for p in (tmp_path / "p").iterdir()} >= {"found.png", "hit_rate.png", "daf.png", "calibration.png"}
    told = json.loads((tmp_path / "new" / "r.json").read_text())
    assert told["pool"] == read_pool(made / "universe.parquet").id
    assert [(r["plan"]["strategy"], r["plan"]["seed"]) for r in told["replays"]] == [
        ("perfect", 0), ("perfect", 1), ("random", 0), ("random", 1), ("greedy", 0), ("greedy", 1),
    ]  # fmt: skip
    assert all(r["rounds"][-1]["verified"] == 12 for r in told["replays"])
    kept = home / "replay" / "results.jsonl"
    assert len(kept.read_text().splitlines()) == 6
    again = call(*asked, "--strategies", "random", "--json", tmp_path / "again.json")
    assert again.code == 0
    assert json.loads((tmp_path / "again.json").read_text())["replays"] == told["replays"][2:4]
    assert len(kept.read_text().splitlines()) == 6
    assert call(*asked, "--strategies", "random", "--again").code == 0
    assert len(kept.read_text().splitlines()) == 8


def test_bad_input_is_one_line(call: Call, made: Path, tmp_path: Path) -> None:
    one_line(call("benchmark", "replay", "--pool", made, "--strategies", "best"), "'best'", "expected_improvement")
    one_line(call("benchmark", "replay", "--pool", made, "--retrain", "often"), "'often'", "continue")
    one_line(call("benchmark", "replay", "--pool", made, "--strategies", ""), "no strategy")
    one_line(call("benchmark", "replay", "--pool", made, "--rounds", "0"), "rounds")
    one_line(call("benchmark", "replay", "--pool", made, "--known", "0"), "known")
    one_line(call("benchmark", "replay", "--pool", tmp_path / "none"), "universe.parquet", "benchmark pool")
    one_line(call("benchmark", "pool", "--candidates", "0"), "candidates")
    shutil.copytree(made, tmp_path / "bad")
    good = (made / "universe.parquet").read_bytes()
    (tmp_path / "bad" / "universe.parquet").write_bytes(good[: len(good) // 2])
    one_line(call("benchmark", "replay", "--pool", tmp_path / "bad"), "universe.parquet", "damaged")


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_a_universe_is_relaxed_once_and_a_stopped_build_goes_on(call: Call, home: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        "[space]\nelements = ['Li', 'Na', 'O', 'Cl']\nmax_elements = 2\n"
        "[generate]\nmax_atoms = 6\nmix = {prototypes = 1.0}\n[verify]\nmax_steps = 60"
    )
    asked = ("benchmark", "pool", "--campaign", tmp_path / "c.toml", "--out", tmp_path / "u")
    assert call(*asked, "--candidates", "3").code == 0
    results_log = home / "universe" / "ledger.jsonl"
    first = results_log.read_text()
    assert len(first.splitlines()) == 3
    said = call(*asked, "--candidates", "5")
    assert said.code == 0, said.err
    assert results_log.read_text().startswith(first)
    assert sum(bool(line) for line in results_log.read_text().splitlines()) == 5
    labelled = read_pool(tmp_path / "u" / "universe.parquet")
    assert len(labelled) == 5
    assert f"id: {labelled.id}" in said.out
    assert sum(v.ok for v in labelled.outcomes) > 0
