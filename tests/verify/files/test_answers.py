"""What comes back: read in limited children, checked, and named where it is wrong.

Covers `answers`, `reading_worker` and `result_readers`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import vasp_stand_in
from samples.asked import read_here
from samples.espresso_output import output
from samples.small_campaign import cubic_perovskite, rocksalt
from samples.vasp_stand_in import made_up_energy_per_atom

from gnome_lite.core.crystals import Crystal
from gnome_lite.pipeline import silent
from gnome_lite.verify.files.answers import Answer, ReadFiles, read_answers
from gnome_lite.verify.files.dft_levels import EspressoSettings, GpawSettings, VaspSettings, theory_of
from gnome_lite.verify.files.manifest import Manifest, Member
from gnome_lite.verify.files.program_inputs import write_inputs
from gnome_lite.verify.files.result_readers import UnusableError, read_result

MGO, NAMNF3 = rocksalt(12, 8, 4.2), cubic_perovskite(11, 25, 9, 4.2)
OXIDE, FLUORIDE, MN = -0.687, -0.462, -1.668
"""Corrections per O, F and Mn of an oxide or fluoride, eV: Wang et al., Sci. Rep. 11, 15496 (2021), tables 1 and 2."""


def vasp(folder: Path, name: str = "vasp-mp", crystal: Crystal = MGO, **how: Any) -> Path:
    folder.mkdir(exist_ok=True)
    write_inputs(folder, name, crystal, VaspSettings())
    return vasp_stand_in.run(folder, **how)


def test_pbe_energies_are_corrected(tmp_path: Path) -> None:
    found = read_result(vasp(tmp_path), "vasp-mp", {})
    assert found["theory"] == "mp-GGA_GGA+U-MP2020"
    assert found["energy_ev"] == pytest.approx(2 * made_up_energy_per_atom("MgO") + OXIDE, abs=1e-3)
    assert (found["n_steps"], found["max_force_ev_per_ang"]) == (2, pytest.approx(0.01))
    assert Crystal.make(**found["crystal"]).volume == pytest.approx(MGO.volume * 1.005**3)
    found = read_result(vasp(tmp_path, crystal=NAMNF3), "vasp-mp", {})
    assert found["energy_ev"] == pytest.approx(5 * made_up_energy_per_atom("NaF") + 3 * FLUORIDE + MN, abs=1e-3)


@pytest.mark.parametrize(("name", "theory"), [("vasp-r2scan", "mp-r2SCAN"), ("vasp-matpes", "matpes-PBE-single-point")])
def test_other_functionals_are_not_corrected(tmp_path: Path, name: str, theory: str) -> None:
    found = read_result(vasp(tmp_path, name), name, {})
    assert found["theory"] == theory
    assert found["energy_ev"] == pytest.approx(2 * made_up_energy_per_atom("MgO"))


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("vasp-mp", {"n_steps": 99}, "relaxation is not converged"),
        ("vasp-mp", {"electronic_steps": 100}, "electrons are not converged"),
        ("vasp-mp", {"changed": {"ENCUT": "400"}}, "plane waves end at 400 eV, the level's at 520"),
        ("vasp-mp", {"changed": {"GGA": "PS"}}, "run with PBEsol, vasp-mp is GGA or GGA"),
        ("vasp-mp", {"changed": {"METAGGA": "R2scan"}}, "run with R2SCAN"),
        ("vasp-mp", {"potentials": ["Mg", "O"]}, "POTCAR 'PAW_PBE Mg 06Sep2000' is not the level's, PAW_PBE Mg_pv"),
        ("vasp-mp", {"changed": {"NSW": "0"}, "force": 0.5}, "static run with forces up to 0.50"),
        ("vasp-matpes", {"changed": {"NSW": "99"}}, "it is a relaxation"),
        ("vasp-r2scan", {"changed": {"METAGGA": "None"}}, "run with GGA, vasp-r2scan is R2SCAN"),
    ],
)
def test_runs_that_are_not_of_the_level(tmp_path: Path, name: str, how: dict[str, Any], words: str) -> None:
    with pytest.raises(UnusableError, match=words):
        read_result(vasp(tmp_path, name, **how), name, {})


def test_an_entry_that_the_corrections_drop_is_an_error(tmp_path: Path) -> None:
    """Mn with another U than the Materials Project's: no corrected energy, and no uncorrected one in its place."""
    path = vasp(tmp_path, crystal=NAMNF3, changed={"LDAUU": "0 2.5 0"})
    with pytest.raises(UnusableError, match=r"MaterialsProject2020Compatibility refuses it .*U value of 2.5"):
        read_result(path, "vasp-mp", {})


def cut(text: str) -> str:
    return text[: len(text) * 2 // 3]


BOMB = '<!DOCTYPE b [<!ENTITY a "' + "x" * 1000 + '">' + "".join(
    f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 10}">' for k in range(9)
) + "]>"  # fmt: skip
HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>'


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "ends early or is damaged"),
        (lambda text: text.replace("</modeling>", ""), "ends early or is damaged"),
        (lambda text: "", "does not begin as VASP writes it"),
        (lambda text: text.replace("ISO-8859-1", "UTF-16"), "does not begin as VASP writes it"),
        (lambda text: text.replace(HEAD, HEAD + BOMB), "declares entities"),
        (lambda text: text.replace(HEAD, HEAD + " " * (1 << 20) + BOMB), "declares entities"),
    ],
)
def test_damaged_documents(tmp_path: Path, spoil: Callable[[str], str], words: str) -> None:
    path = vasp(tmp_path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(UnusableError, match=words):
        read_result(path, "vasp-mp", {})


def member(crystal: Crystal) -> Member:
    i = crystal.content_id
    return Member(folder=i, id=i, role="candidate", formula=crystal.reduced_formula, content_hash=i)


def answers(
    folder: Path,
    name: str,
    crystals: list[Crystal],
    settings: dict[str, Any] | None = None,
    read: ReadFiles | None = None,
) -> dict[str, Answer]:
    members = [member(c) for c in crystals]
    fields = {"version": 1, "written_by": "test", "campaign": "first", "below": "test-1", "hull": "h", "theory": "x"}
    manifest = Manifest.model_validate(fields | {"level": name, "settings": settings or {}, "members": members})
    asked = list(zip(members, crystals, strict=True))
    found = read_answers(folder, manifest, asked, lambda a, b: False, silent, read)
    return {a.member.folder: a for a in found}


def test_every_folder_is_told_by_itself(tmp_path: Path) -> None:
    """Through the child that reads: one good, one open, and each kind of wrong one named in one line."""
    crystals = [rocksalt(12, 8, 4.2 + 0.01 * k) for k in range(9)]
    good, still_open, other, began_elsewhere, exploded, hot, pipe, gone, infinite = (c.content_id for c in crystals)
    for crystal in crystals[:7]:
        vasp(tmp_path / crystal.content_id, crystal=crystal)
    (tmp_path / still_open / "vasprun.xml").unlink()
    vasp(tmp_path / "other", crystal=NAMNF3).rename(tmp_path / other / "vasprun.xml")
    vasp(tmp_path / "moved", crystal=rocksalt(12, 8, 5.0)).rename(tmp_path / began_elsewhere / "vasprun.xml")
    vasp(tmp_path / exploded, crystal=crystals[4], strain=1.6)
    (tmp_path / hot / "vasprun.xml").write_text("\x1b[31mnot a run")
    (tmp_path / pipe / "vasprun.xml").unlink()
    os.mkfifo(tmp_path / pipe / "vasprun.xml")
    vasp(tmp_path / infinite, crystal=crystals[8], energy_per_atom=lambda _: float("nan"))
    found = answers(tmp_path, "vasp-mp", crystals)
    assert found[good].outcome is not None
    assert found[good].outcome.ok
    assert found[good].outcome.level == "mp-GGA_GGA+U-MP2020"
    assert found[still_open] == Answer(member(crystals[1]), None)
    for name, words in {
        other: "it holds NaMnF3 of 5 atoms, not MgO of 2",
        began_elsewhere: "began with another crystal of MgO",
        exploded: "exploded: volume is 4.10 times the starting one",
        hot: "does not begin as VASP writes it",
        pipe: "no file but a pipe",
        gone: "its folder is gone",
        infinite: "",
    }.items():
        assert found[name].outcome is None
        assert words in found[name].wrong
        assert found[name].wrong
        assert found[name].wrong.isprintable()


def gpaw_result(of: Crystal, **changed: Any) -> str:
    plain = {
        "reported": "gpaw-22.8.0-PBE-PW340-K3.5-0123abcd",
        "start": of.as_lists(),
        "crystal": of.as_lists(),
        "energy_ev": -12.0,
        "forces_ev_per_ang": np.zeros((len(of), 3)).tolist(),
        "stress_ev_per_ang3": np.zeros((3, 3)).tolist(),
        "converged": True,
        "n_steps": 3,
        "seconds": 12.5,
    }
    return json.dumps(plain | changed)


def test_gpaw_results(tmp_path: Path) -> None:
    path, settings = tmp_path / "result.json", {"ecut_ev": 340.0}
    path.write_text(gpaw_result(MGO))
    found = read_result(path, "gpaw", settings)
    assert found["theory"] == theory_of("gpaw", GpawSettings(ecut_ev=340.0), "gpaw-22.8.0-PBE-PW340-K3.5-0123abcd")
    assert (found["energy_ev"], found["seconds"]) == (-12.0, 12.5)
    bad = {
        "not converged": gpaw_result(MGO, converged=False),
        "not with the settings": gpaw_result(MGO, reported="chgnet-0.3.0"),
        "another number of atoms": gpaw_result(MGO, forces_ev_per_ang=[[0, 0, 0]]),
        "not as relax_by_gpaw": "[" * 100_000,
        "not as relax_by_gpaw.py": gpaw_result(MGO, energy_ev="low"),
        "remove it and run": gpaw_result(MGO, crystal={"numbers": [0]}),
    }
    for words, text in bad.items():
        path.write_text(text)
        with pytest.raises(UnusableError, match=words):
            read_result(path, "gpaw", settings)


PSEUDOS = {e: {"file": f"{e}.UPF", "md5": digit * 32} for e, digit in (("Mg", "1"), ("O", "2"))}


def test_espresso_outputs(tmp_path: Path) -> None:
    given = {"ecut_ry": 50.0, "ecut_density_ry": 400.0, "pseudopotentials": PSEUDOS}
    settings = EspressoSettings.model_validate(given)
    path = tmp_path / "pw.out"
    path.write_text(output(MGO, settings, -1000.0))
    found = read_result(path, "qe", given)
    assert found["theory"] == theory_of("qe", settings)
    assert found["energy_ev"] == pytest.approx(-1000.0, abs=1e-6)
    assert (found["n_steps"], found["seconds"]) == (3, 75.3)
    assert found["max_force_ev_per_ang"] == pytest.approx(0.0001 * 25.711, rel=1e-3)
    assert Crystal.make(**found["crystal"]).volume == pytest.approx(MGO.volume * 1.01**3, rel=1e-5)
    assert np.allclose(Crystal.make(**found["start"]).lattice, MGO.lattice, atol=1e-4)
    for words, changed in {
        "ends early": {"JOB DONE": ""},
        "relaxation is not converged": {"bfgs converged in": "bfgs failed after"},
        "electrons are not converged": {"convergence has been achieved": "convergence NOT achieved"},
        "kinetic-energy cutoff is 40.0000 Ry, the level's 50": {"50.0000  Ry": "40.0000  Ry"},
        "pseudopotential of O is not the level's": {"2" * 32: "3" * 32},
        "names no pseudopotentials": {"MD5 check sum": "MD4 check sum"},
        "cannot be read": {"celldm(1)=": "celldm[1]="},
    }.items():
        path.write_text(output(MGO, settings, -1000.0, changed=changed))
        with pytest.raises(UnusableError, match=words):
            read_result(path, "qe", given)
    (tmp_path / MGO.content_id).mkdir()
    (tmp_path / MGO.content_id / "pw.out").write_text(output(MGO, settings, -1000.0))
    outcome = answers(tmp_path, "qe", [MGO], given, read_here)[MGO.content_id].outcome
    assert outcome is not None
    assert outcome.ok
