"""Any file gives sound crystals or one `SourceError` that names it, in bounded time and memory.

Covers `files`, `reader` and `pymatgen_json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.sources import reader
from gnome_lite.sources.files import crystal_files, read_crystals, read_files

# What a parser warns of is what it is given here; the child is silent.
pytestmark = pytest.mark.filterwarnings("ignore")

HALITE = Crystal.make(
    [11] * 4 + [17] * 4,
    [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]],
    5.63 * np.eye(3),
)
ENERGY_EV = -27.25

CIF = """data_halite
_cell_length_a 5.63
_cell_length_b 5.63
_cell_length_c 5.63
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'x, y+1/2, z+1/2'
'x+1/2, y, z+1/2'
'x+1/2, y+1/2, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
Cl1 Cl 0.5 0 0 1
"""


def structure_dict() -> dict[str, object]:
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "lattice": {"matrix": HALITE.lattice.tolist()},
        "sites": [
            {"species": [{"element": s, "occu": 1}], "abc": x.tolist()}
            for s, x in zip(["Na"] * 4 + ["Cl"] * 4, HALITE.frac_coords, strict=True)
        ],
    }


def files() -> dict[str, bytes]:
    """Halite in each format, as pymatgen and ASE write it."""
    from io import BytesIO, StringIO

    import ase.db
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    atoms = HALITE.to_ase()
    atoms.calc = SinglePointCalculator(atoms, energy=ENERGY_EV, forces=np.zeros((8, 3)))
    xyz, database = StringIO(), BytesIO()
    write(xyz, [atoms, atoms], format="extxyz")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        ase.db.connect(path).write(atoms)
        database.write(path.read_bytes())
    entry = {"energy": ENERGY_EV - 1, "correction": 1.0, "structure": structure_dict(), "entry_id": "mp-1"}
    structure = HALITE.to_pymatgen()
    return {
        "a.cif": CIF.encode(),
        "written.cif": structure.to(fmt="cif").encode(),
        "symmetric.cif": structure.to(fmt="cif", symprec=0.01).encode(),
        "POSCAR": structure.to(fmt="poscar").encode(),
        "a.extxyz": xyz.getvalue().encode(),
        "a.db": database.getvalue(),
        "entry.json": json.dumps([entry]).encode(),
        "a.json": structure.to_json().encode(),
        "named.json": json.dumps({"one": structure_dict(), "two": structure_dict()}).encode(),
    }


FILES = files()


def kind(name: str) -> str:
    return {"cif": "cif", "extxyz": "extxyz", "db": "db", "json": "json"}.get(name.rpartition(".")[2], "poscar")


def same_crystal(a: Crystal, b: Crystal) -> bool:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return bool(StructureMatcher(scale=False, primitive_cell=False).fit(a.to_pymatgen(), b.to_pymatgen()))


@pytest.mark.parametrize("name", FILES)
def test_every_format(name: str) -> None:
    result = reader.read(kind(name), FILES[name], "stem")
    assert "error" not in result, result
    found = result["crystals"]
    assert len(found) == (2 if name in ("a.extxyz", "named.json") else 1)
    for c in found:
        assert same_crystal(Crystal.make(c["numbers"], c["frac_coords"], c["lattice"]), HALITE)
        assert c["energy_ev"] == (ENERGY_EV if name in ("a.extxyz", "a.db", "entry.json") else None)


def test_through_the_child(tmp_path: Path) -> None:
    """The whole way, with a name that a shell would choke on, from another working directory, without keys."""
    path = tmp_path / "two $(words) 'x'.extxyz"
    path.write_bytes(FILES["a.extxyz"])
    found = read_crystals(path)
    assert [c.name for c in found] == [f"{path.stem}-1", f"{path.stem}-2"]
    assert all(same_crystal(c.crystal, HALITE) and c.energy_ev == ENERGY_EV for c in found)


def folder_of_files(tmp_path: Path) -> Path:
    """A folder with halite in three formats, a broken file, and what is none of ours."""
    folder = tmp_path / "mine"
    (folder / "run-1").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("a.cif", "a.extxyz", "run-1/POSCAR", ".hidden/a.cif"):
        (folder / name).write_bytes(FILES[Path(name).name])
    (folder / "broken.cif").write_bytes(b"data_x\n")
    (folder / "notes.md").write_text("my crystals")
    return folder


def test_a_folder_is_read_by_one_child_and_a_bad_file_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    real = subprocess.Popen

    def popen(*arguments: object, **options: object) -> object:
        started.append(arguments)
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)
    files = crystal_files([folder_of_files(tmp_path)])
    assert [f.name for f in files] == ["a.cif", "a.extxyz", "broken.cif", "run-1/POSCAR"]
    assert all(f.listed for f in files)
    read = list(read_files(f.path for f in files))
    assert [r.path for r in read] == [f.path for f in files]
    assert [len(r.crystals) for r in read] == [1, 2, 0, 1]
    assert [bool(r.error) for r in read] == [False, False, True, False]
    assert "broken.cif holds no atom sites" in read[2].error
    assert len(started) == 1


def test_a_file_that_kills_its_reader_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits hold for each file anew: before and after the ones that break them, others are read."""
    stand_in(tmp_path, monkeypatch, "exec(content.decode()[2:-2])")
    bodies = ["pass", "while True: pass", "pass", "import os; os.kill(os.getpid(), 11)", "pass"]
    paths = [tmp_path / f"{i}.json" for i in range(len(bodies))]
    for path, body in zip(paths, bodies, strict=True):
        path.write_text(f"# {body} #")
    errors = [r.error for r in read_files(paths)]
    assert [e.rpartition("json ")[2] for e in errors] == [
        "holds no crystals",
        "takes more than 10 s of processor time to read: split or simplify it",
        "holds no crystals",
        "crashes its reader (SIGSEGV): split or simplify it",
        "holds no crystals",
    ]


def test_paths_of_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*nope: check the path"):
        crystal_files([tmp_path / "nope"])
    with pytest.raises(SourceError, match="holds no crystals: name one with"):
        crystal_files([tmp_path])


def edited(old: str, new: str) -> bytes:
    assert old in CIF
    return CIF.replace(old, new).encode()


MANY = "\n".join(f"'x+{i}/192, y, z'" for i in range(192))
BAD = {
    "nan cell": ("cif", edited("_a 5.63", "_a nan"), ""),
    "huge cell": ("cif", edited("_a 5.63", "_a 1e308"), ""),
    "unknown element": ("cif", CIF.replace("Na1 Na", "Xx1 Xx").encode(), ""),
    "overlap": ("cif", edited("Cl1 Cl 0.5 0 0", "Cl1 Cl 0.01 0 0"), "apart"),
    "bad operator": ("cif", edited("'x, y+1/2, z+1/2'", "'x, y+1/2, z+q/2'"), "operator"),
    "disorder": ("cif", edited("Cl 0.5 0 0 1", "Cl 0.5 0 0 0.5"), "disordered"),
    "operator bomb": ("cif", edited("'x, y, z'", MANY + "\n" + "'x, y, z'").replace(
        b"Cl1 Cl 0.5 0 0 1\n", b"".join(b"Cl%d Cl 0.%04d 0.1 0.2 1\n" % (i, i) for i in range(1, 300))), "expands"),
    "no atoms": ("cif", b"data_x\n_cell_length_a 1\n", "no atom sites"),
    "VASP 4": ("poscar", b"t\n1.0\n3 0 0\n0 3 0\n0 0 3\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n", "names no elements"),
    "molecule": ("extxyz", b"2\n\nH 0 0 0\nH 0 0 0.74\n", "not periodic"),
    "energy nan": ("extxyz", FILES["a.extxyz"].replace(b"energy=-27.25", b"energy=nan"), "finite"),
    "foreign key": ("json", json.dumps(structure_dict() | {"properties": {"@call": "os.system"}}).encode(), "@call"),
    "NaN constant": ("json", json.dumps(structure_dict()).replace("5.63", "NaN").encode(), "NaN"),
    "deep": ("json", b"[" * 100_000, ""),
    "partly": ("json", json.dumps(structure_dict()).replace('"occu": 1', '"occu": 0.5').encode(), "disordered"),
    "not a structure": ("json", b'{"a": 1}', "no structure"),
    "no database": ("db", b"SQLite format 3\0" + b"\0" * 100, ""),
    "text": ("db", b"hello", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_say_why(name: str) -> None:
    form, content, why = BAD[name]
    result = reader.read(form, content, "stem")
    assert "crystals" not in result
    assert why in result["error"]
    assert "\n" not in result["error"]


def test_a_foreign_class_is_not_imported() -> None:
    """MontyDecoder would import the module that such a file names."""
    import sys

    evil = structure_dict() | {"@module": "antigravity", "@class": "Anything"}
    assert "crystals" in reader.read("json", json.dumps(evil).encode(), "stem")
    assert "antigravity" not in sys.modules


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file"):
        read_crystals(tmp_path / "none.cif")
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"\.cif"):
        read_crystals(tmp_path / "a.pdf")
    (tmp_path / "empty.cif").write_bytes(b" \n")
    with pytest.raises(SourceError, match="empty"):
        read_crystals(tmp_path / "empty.cif")
    (tmp_path / "large.cif").write_bytes(b"x" * 5_000_001)
    with pytest.raises(SourceError, match="larger than 5 MB"):
        read_crystals(tmp_path / "large.cif")
    os.mkfifo(tmp_path / "pipe.cif")
    with pytest.raises(SourceError, match="no file"):
        read_crystals(tmp_path / "pipe.cif")


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Have the real child run `body` in place of the parser of JSON, by a module that is found first on the path."""
    root = Path(reader.__file__).parents[2]
    (tmp_path / "child.py").write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from gnome_lite.sources import reader\n"
        "reader.CPU_S = 1\n"
        f"def wild(content, stem):\n    exec({body!r})\n    yield from ()\n"
        "reader.READERS['json'] = wild\nreader.main()\n"
    )
    real = subprocess.Popen

    def popen(command: list[str], *positional: object, **options: object) -> object:
        at = command.index("-m")
        return real([*command[:at], str(tmp_path / "child.py"), *command[at + 2 :]], *positional, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", popen)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("while True: pass", "processor time"),
        ("bytearray(3 << 30)", "GiB"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("from pathlib import Path; Path('{folder}/written').write_text('x')", "File too large"),
        pytest.param("import time; time.sleep(60)", "s to read", marks=pytest.mark.slow),
    ],
)
def test_limits_hold(body: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser gone wild in the real child, by a stand-in module found first on the path, costs one error."""
    from gnome_lite.sources import files as module

    stand_in(tmp_path, monkeypatch, body.format(folder=tmp_path))
    (tmp_path / "a.json").write_text("{}")
    if "sleep" in body:
        monkeypatch.setattr(module, "DEADLINE_S", 8.0)
    started = time.monotonic()
    with pytest.raises(SourceError, match=why) as raised:
        read_crystals(tmp_path / "a.json")
    assert "a.json" in str(raised.value)
    assert time.monotonic() - started < module.DEADLINE_S + 4
    assert not (tmp_path / "written").exists() or (tmp_path / "written").stat().st_size == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_files_give_crystals_or_a_line(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([n for n in FILES if n != "symmetric.cif"]))
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(content) - 1))
        content[where : where + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    result = reader.read(kind(name), bytes(content), "stem")
    if "error" in result:
        assert result["error"]
        assert "\n" not in result["error"]
    for c in result.get("crystals", ()):
        crystal = Crystal.make(c["numbers"], c["frac_coords"], c["lattice"])
        assert not reader.complaint(crystal)
        assert c["energy_ev"] is None or np.isfinite(c["energy_ev"])
