"""Inputs of each program, the folder and its scripts. Covers `asked_folder`, `job_scripts` and `program_inputs`."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from ase.io.espresso import read_espresso_in
from samples import vasp_stand_in
from samples.small_campaign import cubic_perovskite, rocksalt

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError
from gnome_lite.verify.files.asked_folder import write_asked
from gnome_lite.verify.files.dft_levels import DFT_LEVELS, EspressoSettings, VaspSettings, asked_theory, make_settings
from gnome_lite.verify.files.manifest import Manifest, Member, read_manifest
from gnome_lite.verify.files.program_inputs import CannotAskError, pseudopotentials_in, right_handed, write_inputs

NAMNF3, MGO = cubic_perovskite(11, 25, 9, 4.2), rocksalt(12, 8, 4.2)


def asked(name: str, crystals: list[Crystal], settings: dict[str, object]) -> Manifest:
    members = tuple(
        Member(
            folder=c.content_id, id=c.content_id, role="candidate", formula=c.reduced_formula, content_hash=c.content_id
        )
        for c in crystals
    )
    checked = make_settings(name, settings)
    fields = {"version": 1, "written_by": "test", "campaign": "first", "below": "test-1", "hull": "h"}
    return Manifest.model_validate(
        fields
        | {"level": name, "theory": asked_theory(name, checked), "settings": checked.model_dump(), "members": members}
    )


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("vasp-mp", {"LDAUU": "0 3.9 0", "ENCUT": "520.0", "MAGMOM": "1*0.6 1*5.0 3*0.6"}),
        ("vasp-r2scan", {"METAGGA": "R2scan", "ENCUT": "680.0"}),
        ("vasp-matpes", {"NSW": "0", "GGA": "Pe"}),
    ],
)
def test_vasp_inputs_are_those_of_the_level(tmp_path: Path, name: str, tags: dict[str, str]) -> None:
    write_inputs(tmp_path, name, NAMNF3, VaspSettings())
    lines = (tmp_path / "INCAR").read_text().splitlines()
    incar = dict(line.split(" = ") for line in lines)
    assert {tag: incar[tag] for tag in tags} == tags
    assert (tmp_path / "POTCAR.spec").read_text() == "Na_pv\nMn_pv\nF\n"
    assert ("LDAU" in incar) == (name == "vasp-mp")
    vasp_stand_in.run(tmp_path)
    from pymatgen.io.vasp.outputs import Vasprun

    run = Vasprun(tmp_path / "vasprun.xml", parse_potcar_file=False)
    assert run.converged
    assert run.final_structure.composition.reduced_formula == "NaMnF3"


def test_left_handed_cells_become_right_handed(tmp_path: Path) -> None:
    left = Crystal(NAMNF3.numbers, NAMNF3.frac_coords, NAMNF3.lattice[[1, 0, 2]])
    assert np.linalg.det(right_handed(left).lattice) > 0
    assert right_handed(NAMNF3) is NAMNF3
    write_inputs(tmp_path, "vasp-mp", left, VaspSettings())
    rows = [[float(x) for x in line.split()] for line in (tmp_path / "POSCAR").read_text().splitlines()[2:5]]
    assert np.linalg.det(np.array(rows)) > 0


def test_an_element_without_potential_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotAskError, match="vasp-mp has no POTCAR of Po"):
        write_inputs(tmp_path, "vasp-mp", rocksalt(12, 84), VaspSettings())
    with pytest.raises(CannotAskError, match="no pseudopotential of Mg, O"):
        write_inputs(tmp_path, "qe", MGO, EspressoSettings())


def test_pseudopotentials_are_found_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        pseudopotentials_in(tmp_path / "none")
    with pytest.raises(ConfigError, match="has no UPF file"):
        pseudopotentials_in(tmp_path)
    for name in ("Mg.pbe-n-kjpaw_psl.0.3.0.UPF", "O.pbe-n-kjpaw_psl.0.1.UPF", "readme.txt"):
        (tmp_path / name).write_text(name)
    table = pseudopotentials_in(tmp_path)
    assert table["O"] == {"file": "O.pbe-n-kjpaw_psl.0.1.UPF", "md5": md5(b"O.pbe-n-kjpaw_psl.0.1.UPF").hexdigest()}
    (tmp_path / "o_pbe_v1.2.uspp.F.UPF").write_text("")
    with pytest.raises(ConfigError, match="two pseudopotentials of O"):
        pseudopotentials_in(tmp_path)
    (tmp_path / "o_pbe_v1.2.uspp.F.UPF").rename(tmp_path / "all.UPF")
    with pytest.raises(ConfigError, match="is of no element"):
        pseudopotentials_in(tmp_path)


def test_espresso_inputs(tmp_path: Path) -> None:
    pseudos = tmp_path / "pseudos"
    pseudos.mkdir()
    for element in ("Fe", "O"):
        (pseudos / f"{element}.UPF").write_text("<UPF>")
    crystal = rocksalt(26, 8, 4.3)
    manifest = asked("qe", [crystal], {"ecut_ry": 50, "pseudopotentials": pseudopotentials_in(pseudos)})
    write_asked(tmp_path / "out", manifest, [crystal], pseudos)
    place = tmp_path / "out" / crystal.content_id
    text = (place / "pw.in").read_text()
    for words in (
        "'vc-relax'",
        "ecutwfc          = 50.0",
        "nspin            = 2",
        "starting_magnetization(1)",
        "Fe.UPF",
    ):
        assert words in text
    with (place / "pw.in").open() as file:
        atoms = read_espresso_in(file)
    assert atoms.get_chemical_formula() == "FeO"
    assert np.allclose(atoms.cell, crystal.lattice)
    assert (tmp_path / "out" / "pseudo" / "Fe.UPF").exists()


def test_gpaw_folders_need_nothing_of_ours(tmp_path: Path) -> None:
    write_asked(tmp_path / "out", asked("gpaw", [MGO], {}), [MGO])
    found = json.loads((tmp_path / "out" / MGO.content_id / "input.json").read_text())
    assert Crystal.make(found["numbers"], found["frac_coords"], found["lattice"]).content_id == MGO.content_id
    for script in (tmp_path / "out" / "program").iterdir():
        assert "import gnome_lite" not in script.read_text()
        assert "from gnome_lite" not in script.read_text()


def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polonide = rocksalt(12, 84)
    with pytest.raises(ConfigError, match=r"no crystal can be asked for at level vasp-mp: MgPo: .*Po"):
        write_asked(tmp_path / "out", asked("vasp-mp", [polonide], {}), [polonide])
    assert list(tmp_path.iterdir()) == []
    written = write_asked(tmp_path / "out", asked("vasp-mp", [polonide, MGO], {}), [polonide, MGO])
    assert [m.formula for m in written.members] == ["MgO"]
    assert written.left_out == (("MgPo", "vasp-mp has no POTCAR of Po"),)
    assert read_manifest(tmp_path / "out").members == written.members
    assert not (tmp_path / "out" / polonide.content_id).exists()
    with pytest.raises(ConfigError, match="out exists: name a new folder"):
        write_asked(tmp_path / "out", asked("vasp-mp", [MGO], {}), [MGO])
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="link exists"):
        write_asked(tmp_path / "link", asked("vasp-mp", [MGO], {}), [MGO])
    assert {p.name for p in tmp_path.iterdir()} == {"out", "link"}


def test_scripts_run_what_is_not_done(tmp_path: Path) -> None:
    """With a stand-in for VASP: POTCARs are put together, a failure is named, what is done is left alone."""
    out, library = tmp_path / "a place", tmp_path / "potcars"
    write_asked(out, asked("vasp-mp", [MGO, NAMNF3], {}), [MGO, NAMNF3])
    assert (out / "folders.txt").read_text().split() == [MGO.content_id, NAMNF3.content_id]
    for script in ("job.sh", "run.sh", "slurm.sh"):
        subprocess.run(["sh", "-n", str(out / script)], check=True)
    assert "--array=1-2\n" in (out / "slurm.sh").read_text()
    environment = {"PATH": "/usr/bin:/bin", "VASP_COMMAND": f"{sys.executable} {vasp_stand_in.__file__}"}
    said = subprocess.run(["sh", str(out / "run.sh")], env=environment, capture_output=True, text=True)
    assert said.returncode == 1
    assert "VASP_PSP_DIR" in said.stderr
    assert f"{MGO.content_id} failed" in said.stderr
    for name in ("Mg_pv", "O"):
        (library / name).mkdir(parents=True)
        (library / name / "POTCAR").write_text(f"PAW_PBE {name}\n")
    environment["VASP_PSP_DIR"] = str(library)
    said = subprocess.run(["sh", str(out / "run.sh")], env=environment, capture_output=True, text=True)
    assert f"{NAMNF3.content_id} failed" in said.stderr, "no POTCAR of F"
    assert MGO.content_id not in said.stderr
    assert (out / MGO.content_id / "POTCAR").read_text() == "PAW_PBE Mg_pv\nPAW_PBE O\n"
    assert not (out / NAMNF3.content_id / "POTCAR").exists()
    before = (out / MGO.content_id / "vasprun.xml").stat().st_mtime_ns
    subprocess.run(["sh", str(out / "job.sh"), MGO.content_id], env=environment, check=True)
    assert (out / MGO.content_id / "vasprun.xml").stat().st_mtime_ns == before


def test_every_level_writes_the_file_that_it_is_read_from() -> None:
    assert {level.answer for level in DFT_LEVELS.values()} == {"vasprun.xml", "pw.out", "result.json"}
