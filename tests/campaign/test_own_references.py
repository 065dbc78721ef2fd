"""Given crystals become phases of a level: each relaxed once, also after a kill; known ones not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.al_ni import structures

from gnome_lite.campaign.own_references import Given, OwnReferences, own_references
from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.core.jsonl import read_lines
from gnome_lite.core.phases import PhaseSet
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.pipeline import Progress, silent
from gnome_lite.verify.verifier import ProcessVerifier

NAMES = ("al", "ni", "alni", "alni3", "larger")


@pytest.fixture(scope="module")
def verifier() -> Iterator[ProcessVerifier]:
    with ProcessVerifier(Verify(calculator="emt", processes=1)) as running:
        yield running


def given(*names: str, energy_ev: float | None = None, level: str = "") -> list[Given]:
    crystals = {name: Crystal.from_pymatgen(s) for name, s in structures().items()}
    return [Given(n, crystals[n], energy_ev, level, f"file {n}", "CC0") for n in names]


def made(
    crystals: list[Given],
    verifier: ProcessVerifier,
    folder: Path,
    known: PhaseSet | None = None,
    progress: Progress = silent,
) -> OwnReferences:
    return own_references(crystals, known, verifier, CrystalNovelty(), folder / "log.jsonl", progress)


def test_a_killed_call_goes_on_where_it_stopped(verifier: ProcessVerifier, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int, note: str = "") -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(given(*NAMES), verifier, tmp_path, progress=stop)
    before = list(read_lines(tmp_path / "log.jsonl"))
    assert len(before) == 2
    found = made(given(*NAMES), verifier, tmp_path)
    lines = list(read_lines(tmp_path / "log.jsonl"))
    assert lines[:2] == before
    assert len({line["candidate_id"] for line in lines}) == len(lines) == 4
    assert sorted(p.crystal.reduced_formula for p in found.phases) == ["Al", "AlNi", "AlNi3", "Ni"]
    assert found.same == (("larger", "alni"),)
    assert not found.failed


def test_what_is_known_stands_for_its_equals_and_is_not_relaxed(verifier: ProcessVerifier, tmp_path: Path) -> None:
    known = PhaseSet.make(made(given("al", "ni", "alni"), verifier, tmp_path).phases)
    found = made(given("larger", "alni3", energy_ev=-9.0, level="other"), verifier, tmp_path, known)
    (compound,) = (p for p in found.phases if p.id not in known)
    assert compound.crystal.reduced_formula == "AlNi3"
    assert compound.source == "file alni3; computed here, there -2.2500 eV/atom at level other"
    (equal,) = (p for p in found.phases if p.id in known)
    assert found.same == (("larger", equal.id),)
    assert equal.energy_ev == known[known.index(equal.id)].energy_ev


def test_an_energy_of_the_level_is_kept(verifier: ProcessVerifier, tmp_path: Path) -> None:
    found = made(given("al", "ni", energy_ev=0.5, level="emt"), verifier, tmp_path)
    assert [p.energy_ev for p in found.phases] == [0.5, 0.5]
    assert (found.relaxed, found.as_given) == (0, 2)
    with pytest.raises(MissingReferenceError, match="no elemental reference for Al, Ni at level emt: add a crystal"):
        made(given("alni"), verifier, tmp_path)
