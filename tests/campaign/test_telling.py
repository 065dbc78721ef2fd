"""Results told: written once, judged on their level's own hull, the wrong ones passed over. Covers `dft_folders`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from samples import vasp_stand_in
from samples.asked import LIF, NACL, NAMNF3, element, home_with, home_with_campaign, read_here
from samples.small_campaign import rocksalt

from gnome_lite.assemble.dft_folders import ask_for_dft, tell_dft
from gnome_lite.campaign.telling import Told, log_of
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.files.manifest import MANIFEST
from gnome_lite.verify.results_log import read_results

LEVEL = "mp-GGA_GGA+U-MP2020"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    home_with_campaign(tmp_path / "home")
    return Settings(home=tmp_path / "home")


@pytest.fixture
def out(home: Settings, tmp_path: Path) -> Path:
    """LiF, NaMnF3, NaCl and their five elements, asked for."""
    ask_for_dft(tmp_path / "out", "vasp-mp", 20, home, e_above_hull_max=0.2)
    return tmp_path / "out"


def told_here(out: Path, home: Settings) -> Told:
    return tell_dft(out, home, read=read_here)


def store_of(home: Settings) -> SqlStore:
    return SqlStore.open(home.store_url)


def run(out: Path, *formulas: str, **how: Any) -> None:
    """Run the folders of some formulas, or all."""
    for member in json.loads((out / MANIFEST).read_text())["members"]:
        if not formulas or member["formula"] in formulas:
            vasp_stand_in.run(out / member["folder"], **how)


def test_results_come_when_they_come(home: Settings, out: Path) -> None:
    told = told_here(out, home)
    assert (len(told.candidates), len(told.open), told.wrong, told.verdicts) == (0, 8, (), ())
    run(out, "LiF", "NaCl")
    told = told_here(out, home)
    assert {v.candidate_id for v in told.candidates} == {LIF, NACL}
    assert len(told.open) == 6
    assert [w.why for w in told.wrong] == [
        f"the hull of Cl-Na lacks Cl, Na at level {LEVEL}: tell again when it is computed",
        f"the hull of F-Li lacks F, Li at level {LEVEL}: tell again when it is computed",
    ]
    assert not told.verdicts
    run(out, "Li", "F2")
    told = told_here(out, home)
    assert (len(told.candidates), len(told.competing), told.before, len(told.open)) == (0, 2, 2, 4)
    (verdict,) = told.verdicts
    assert (verdict.candidate_id, verdict.level, verdict.stable) == (LIF, LEVEL, True)
    # Formed with what the energies and the correction of a fluoride say; novelty is that of the level below.
    assert verdict.e_form_ev_per_atom == pytest.approx(vasp_stand_in.FORMATION_EV_PER_ATOM - 0.462 / 2, abs=1e-3)
    below = store_of(home).verdicts("first")[LIF]
    assert (verdict.novel, verdict.prototype) == (below.novel, below.prototype)
    run(out)
    told = told_here(out, home)
    assert {v.candidate_id for v in told.verdicts} == {NACL, NAMNF3}
    assert not told.open


def test_telling_again_changes_nothing(home: Settings, out: Path) -> None:
    run(out)
    first = told_here(out, home)
    assert (len(first.candidates), len(first.competing), len(first.verdicts)) == (3, 5, 3)
    store = store_of(home)
    log = log_of(home.home / "levels", LEVEL)
    before = store.verdicts("first", level=LEVEL), log.read_bytes(), store.status()
    (level,) = before[2].campaigns[0].levels
    assert (level.selected, level.verified, level.judged, level.stable) == (3, 3, 3, 3)
    again = told_here(out, home)
    assert (len(again.candidates), again.before, again.open, again.wrong, again.verdicts) == (0, 8, (), (), ())
    assert (store.verdicts("first", level=LEVEL), log.read_bytes(), store.status()) == before
    assert len(list(read_results(log))) == 5
    (found,) = store.query(level=LEVEL, elements=("Li",))
    assert found.stable
    assert store.verdicts("first") != before[0], "the campaign's own verdicts are of its own level"


def test_hulls_equal_pymatgens(home: Settings, out: Path) -> None:
    """NaMnF3 against NaF's elements and a compound that lies lower: distances as by pymatgen."""
    energies = {"F2": -1.5, "Na": -1.2, "Mn": -8.0, "Li": -2.0, "Cl2": -1.7, "NaMnF3": -4.9, "LiF": -4.8, "NaCl": -1.0}
    for formula, energy in energies.items():
        run(out, formula, energy_per_atom=lambda _, e=energy: e)
    told = told_here(out, home)
    verdicts = {v.candidate_id: v for v in told.verdicts}
    found = [*told.candidates, *told.competing]
    entries = {v.candidate_id: PDEntry(v.crystal.to_pymatgen().composition, v.energy_ev) for v in found}
    diagram = PhaseDiagram(list(entries.values()))
    for i, verdict in verdicts.items():
        assert verdict.e_above_hull_ev_per_atom == pytest.approx(diagram.get_e_above_hull(entries[i]), abs=1e-9)
        assert verdict.e_form_ev_per_atom == pytest.approx(diagram.get_form_energy_per_atom(entries[i]), abs=1e-9)
    assert not verdicts[NACL].stable


def test_a_wrong_folder_keeps_nothing_else_from_being_told(home: Settings, out: Path) -> None:
    run(out)
    run(out, "NaCl", n_steps=99)
    text = (out / NAMNF3 / "vasprun.xml").read_text()
    (out / NAMNF3 / "vasprun.xml").write_text(text[: len(text) // 2])
    told = told_here(out, home)
    assert {v.candidate_id for v in told.candidates} == {LIF}
    assert {w.where: w.why.split(":")[0] for w in told.wrong} == {
        NACL: "its relaxation is not converged",
        NAMNF3: "vasprun.xml ends early or is damaged",
    }
    assert [v.candidate_id for v in store_of(home).verifications(LEVEL)] == [LIF]
    run(out, "NaCl", "NaMnF3")
    told = told_here(out, home)
    assert {v.candidate_id for v in told.candidates} == {NACL, NAMNF3}


def test_an_absurd_energy_is_not_written(home: Settings, out: Path) -> None:
    run(out)
    run(out, "LiF", energy_per_atom=lambda _: -20.0)
    told = told_here(out, home)
    assert [w.where for w in told.wrong] == [LIF]
    assert f"formation energy is -17.2 eV/atom at level {LEVEL}" in told.wrong[0].why
    assert LIF not in {v.candidate_id for v in store_of(home).verifications(LEVEL)}


def test_a_run_that_began_with_a_relaxed_crystal_is_of_the_same_one(home: Settings, out: Path) -> None:
    """As the second of two relaxations does: its start is the same crystal, though not the same numbers."""
    lines = (out / LIF / "POSCAR").read_text().splitlines()
    lines[1] = "1.03"
    (out / LIF / "POSCAR").write_text("\n".join(lines) + "\n")
    run(out)
    assert LIF in {v.candidate_id for v in told_here(out, home).candidates}


def changed(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    plain = json.loads((out / MANIFEST).read_text())
    change(plain)
    (out / MANIFEST).write_text(json.dumps(plain))


def test_a_foreign_manifest_writes_nothing(home: Settings, out: Path, tmp_path: Path) -> None:
    run(out)
    good = (out / MANIFEST).read_text()
    for change, words in (
        (lambda plain: plain.update(theory="test-1"), "names level 'test-1', not that of its settings"),
        (lambda plain: plain.update(campaign="second"), "asked by campaign 'second' of level test-1, which store"),
        (lambda plain: plain.update(below="chgnet-0.3.0"), "of level chgnet-0.3.0, which store"),
    ):
        changed(out, change)
        with pytest.raises(ConfigError, match=words):
            told_here(out, home)
        (out / MANIFEST).write_text(good)
    # Crystals that this store does not have, or has otherwise.
    changed(out, lambda plain: plain["members"][0].update(id="gl-0000000000000000"))
    changed(out, lambda plain: plain["members"][1].update(content_hash="gl-0000000000000000"))
    changed(out, lambda plain: plain["members"][3].update(id="mp-1"))
    told = told_here(out, home)
    assert sorted(w.why for w in told.wrong if "hull" not in w.why) == [
        "gl-0000000000000000 is not in this store: ask again",
        f"{NAMNF3} is another crystal than the one handed out: ask again",
        "mp-1 is not in this store: ask again",
    ]
    assert {v.candidate_id for v in told.candidates} == {NACL}
    shutil.rmtree(out / LIF)


def test_other_stable_crystals_are_competing_phases(tmp_path: Path) -> None:
    """NaF and NaCl found stable, one of them asked for: the other's verification goes to the store, too."""
    cells = {z: Crystal.make([z], [[0, 0, 0]], 3 * np.eye(3)) for z in (9, 11)}
    crystals = [rocksalt(11, 9, 4.7), rocksalt(11, 9, 4.9)]
    store = home_with(tmp_path / "home", [element(f"ref-{z}", c) for z, c in cells.items()], crystals)
    settings = Settings(home=tmp_path / "home")
    asked = ask_for_dft(tmp_path / "out", "vasp-r2scan", 1, settings)
    (first,) = asked.candidates
    assert [m.role for m in asked.competing] == ["competing phase"] * 3
    assert {m.id for m in asked.competing} == {"ref-9", "ref-11", *(c.content_id for c in crystals)} - {first.id}
    run(tmp_path / "out")
    told = told_here(tmp_path / "out", settings)
    assert {v.candidate_id for v in told.candidates} == {c.content_id for c in crystals}
    assert {v.candidate_id for v in told.competing} == {"ref-9", "ref-11"}
    assert {v.level for v in store.verdicts("first", level="mp-r2SCAN").values()} == {"mp-r2SCAN"}
    assert len(told.verdicts) == 2
