"""Candidates in a file: whole, the same after a stop, and refused where the file is another's."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest

from gnome_lite.assemble import make_gate
from gnome_lite.campaign.candidate_files import Progressed, write_candidates
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import ConfigError
from gnome_lite.generate.prototype_placement import PrototypePlacement
from gnome_lite.generate.stream import CandidateStream, Mix
from gnome_lite.generate.substitution import IonicSubstitution
from gnome_lite.pipeline import silent
from gnome_lite.sources.aflow import prototypes

CONFIG = CampaignConfig.model_validate(
    {"space": {"elements": ("Li", "Na", "Mg", "Al", "O", "S", "F"), "max_elements": 3}}
)
KNOWN = [(p.id, p.crystal) for p in prototypes(8)]
PARENTS, IDS = CrystalBatch.from_crystals(c for _, c in KNOWN), [i for i, _ in KNOWN]
CALL = {"seed": 0}


class StoppedError(Exception):
    """Stands for a kill: what follows the chunk is lost."""


def stream(position: object) -> CandidateStream:
    substitution = IonicSubstitution(CONFIG.space, CONFIG.generate)
    placement = PrototypePlacement(CONFIG.space, CONFIG.generate, KNOWN)
    return Mix(((substitution, 1.0), (placement, 1.0)), quantum=20).stream(PARENTS, IDS, 0, (0,), position)


def write(path: Path, count: int = 150, stop_after: int | None = None, call: dict[str, int] = CALL) -> Progressed:
    told: list[int] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        told.append(done)
        if len(told) == stop_after:
            raise StoppedError

    return write_candidates(
        path, dict(call), stream, make_gate(CONFIG), count, lambda pool: [None] * len(pool), progress
    )


def test_what_is_written_are_the_candidates_that_pass_the_gate(tmp_path: Path) -> None:
    state = write(tmp_path / "c.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "c.ndjson").read_text().splitlines()]
    assert state.written == len(lines) == 150
    crystals = [Crystal.make(**line["crystal"]) for line in lines]
    assert make_gate(CONFIG).causes(CrystalBatch.from_crystals(crystals)) == [""] * 150
    assert {line["generator"] for line in lines} == {"substitution", "prototypes"}
    assert all(line["gnome_lite_id"] == c.content_id for line, c in zip(lines, crystals, strict=True))


@pytest.mark.parametrize("suffix", [".ndjson", ".extxyz"])
@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_stopped_file_goes_on_and_ends_up_the_same(tmp_path: Path, suffix: str, stop_after: int) -> None:
    whole, stopped = tmp_path / f"whole{suffix}", tmp_path / f"stopped{suffix}"
    write(whole)
    with pytest.raises(StoppedError):
        write(stopped, stop_after=stop_after)
    with stopped.open("ab") as file:  # a chunk of which only half reached the disk
        file.write(b"half a li")
    state = write(stopped)
    assert stopped.read_bytes() == whole.read_bytes()
    assert state.written == 150
    assert write(stopped).made == state.made


def test_extxyz_is_read_by_ase_with_its_facts(tmp_path: Path) -> None:
    write(tmp_path / "c.extxyz", count=5)
    frames = ase.io.read(tmp_path / "c.extxyz", ":")
    assert len(frames) == 5
    for atoms in frames:
        assert atoms.pbc.all()
        assert atoms.info["generator"] in ("substitution", "prototypes")
        crystal = Crystal.from_ase(atoms)
        assert crystal.reduced_formula == atoms.info["formula"]


def test_a_count_beyond_the_stream_is_no_error(tmp_path: Path) -> None:
    state = write(tmp_path / "all.ndjson", count=10**6)
    assert state.done
    assert state.written < 10**6
    assert state.skipped["substitution: no neutral oxidation states"] > 0


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "mine.ndjson"
    other.write_text("my own\n")
    with pytest.raises(ConfigError, match="exists and no run of this kind wrote it: name another file"):
        write(other)
    assert other.read_text() == "my own\n"
    write(tmp_path / "begun.ndjson", count=20)
    with pytest.raises(ConfigError, match="was begun with other seed: name another file"):
        write(tmp_path / "begun.ndjson", call={"seed": 1})
    (tmp_path / "begun.ndjson").write_text("")
    with pytest.raises(ConfigError, match=r"is shorter than begun\.ndjson\.position says"):
        write(tmp_path / "begun.ndjson")
    with pytest.raises(ConfigError, match=r"its name must end in one of \.extxyz"):
        write(tmp_path / "c.cif")


def test_only_what_is_wanted(tmp_path: Path) -> None:
    write_candidates(
        tmp_path / "o.ndjson",
        CALL,
        stream,
        make_gate(CONFIG),
        30,
        lambda pool: [None if (c.numbers == 8).any() else "no oxygen" for c in pool.crystals],
        silent,
    )
    lines = [json.loads(line) for line in (tmp_path / "o.ndjson").read_text().splitlines()]
    assert len(lines) == 30
    assert all(8 in np.array(line["crystal"]["numbers"]) for line in lines)
