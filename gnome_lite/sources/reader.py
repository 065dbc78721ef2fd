"""The child process that parses a user's file: bytes on stdin, one JSON document on stdout, hard limits.

Parsers of crystal files accept NaN cells, invent elements and can run for minutes on a few kilobytes. Here they have
10 s of CPU, 1 GiB and no right to write a file, and what they return is checked before it leaves. `files.py` runs it
as `python -m gnome_lite.sources.reader FORMAT STEM`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from gnome_lite.crystals import Crystal, atomic_number

CPU_S = 10
MEMORY_BYTES = 1 << 30
MAX_SITES = 2_000
MAX_TOTAL_SITES = 100_000
MAX_SITES_TIMES_OPERATORS = 20_000
MIN_DISTANCE_ANG = 0.5
"""No two nuclei come closer; the shortest bond, H2's, has 0.74 Å."""
MAX_LENGTH_ANG = 500.0
VOLUME_PER_ATOM_ANG3 = (2.0, 1000.0)

Found = tuple[str, Crystal, float | None]
"""Name, crystal, energy of the cell in eV."""


class BadFileError(ValueError):
    """What is wrong with the file, in words its owner understands."""


def read_cif(content: bytes, stem: str) -> Iterator[Found]:
    """Every block of a CIF that has atoms, expanded by its own operators, in the cell as written."""
    from pymatgen.io.cif import CifFile, CifParser

    blocks = {k: b for k, b in CifFile.from_str(_text(content)).data.items() if "_atom_site_fract_x" in b.data}
    if not blocks:
        raise BadFileError("holds no atom sites (_atom_site_fract_x)")
    for name, block in blocks.items():
        operators = _cif_operators(block.data)
        if len(block.data["_atom_site_fract_x"]) * max(len(operators), 1) > MAX_SITES_TIMES_OPERATORS:
            raise BadFileError(f"expands to more than {MAX_SITES_TIMES_OPERATORS} sites; give a smaller cell")
        parser = CifParser.from_str(str(block))
        (structure,) = parser.parse_structures(primitive=False, on_error="raise")
        understood = len(parser.symmetry_operations)
        if operators and understood != len(operators):
            raise BadFileError(f"has {len(operators)} symmetry operators of which {understood} were understood")
        yield (stem if len(blocks) == 1 else name), _from_pymatgen(structure), None


_TERM = r"(?:\d+/\d+|\d*\.\d+|\d+\.?|[xyz])"
_OPERATOR = re.compile(rf"[+-]?{_TERM}(?:[+-]{_TERM})*(?:,[+-]?{_TERM}(?:[+-]{_TERM})*){{2}}", re.IGNORECASE)


def _cif_operators(block: dict[str, Any]) -> list[str]:
    """Operators of a block as written; pymatgen would drop to P1 without a word where it cannot read one."""
    for key in ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"):
        for found in (block.get(key), block.get(key + "_")):
            if found:
                operators = [re.sub(r"\s", "", o) for o in ([found] if isinstance(found, str) else found)]
                for operator in operators:
                    if not _OPERATOR.fullmatch(operator):
                        raise BadFileError(f"has a symmetry operator that cannot be read: {operator[:40]!r}")
                return operators
    return []


def read_poscar(content: bytes, stem: str) -> Iterator[Found]:
    """One crystal. VASP 4 files, which name no elements, are refused: pymatgen would guess them."""
    from pymatgen.io.vasp import Poscar

    poscar = Poscar.from_str(_text(content), read_velocities=False)
    if not poscar.true_names:
        raise BadFileError("names no elements (VASP 4): add a line of symbols above the line of counts")
    yield stem, _from_pymatgen(poscar.structure), None


def read_extxyz(content: bytes, stem: str) -> Iterator[Found]:
    """Every frame; energy from the comment line, where it has one. The cell must be periodic in three directions."""
    from io import StringIO

    from ase.io.extxyz import read_xyz

    frames = list(read_xyz(StringIO(_text(content)), index=slice(None)))
    for i, atoms in enumerate(frames):
        if not (atoms.pbc.all() and atoms.cell.rank == 3):
            raise BadFileError(f'frame {i} is not periodic in three directions: give Lattice="..." and pbc="T T T"')
        energy = None if atoms.calc is None else atoms.calc.results.get("energy", atoms.calc.results.get("free_energy"))
        energy = atoms.info.get("energy") if energy is None else energy
        name = next((str(atoms.info[k]) for k in ("name", "id", "material_id") if k in atoms.info), None)
        yield name or _numbered(stem, i, len(frames)), Crystal.from_ase(atoms), _energy(energy)


def read_ase_db(content: bytes, stem: str) -> Iterator[Found]:
    """Every row of an ASE database (SQLite), read from memory: the file's own triggers and paths stay dead."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    connection.execute("PRAGMA trusted_schema = OFF")
    try:
        rows = connection.execute(
            "SELECT id, numbers, positions, cell, pbc, energy FROM systems ORDER BY id"
        ).fetchall()
    except sqlite3.Error as error:
        raise BadFileError(f"is no ASE database ({error})") from error
    for key, numbers, positions, cell, pbc, energy in rows:
        if pbc != 0b111:
            raise BadFileError(f"row {key} is not periodic in three directions")
        lattice = np.frombuffer(cell, "<f8").reshape(3, 3)
        frac_coords = np.linalg.solve(lattice.T, np.frombuffer(positions, "<f8").reshape(-1, 3).T).T
        yield f"{stem}-{key}", Crystal.make(np.frombuffer(numbers, "<i4"), frac_coords, lattice), _energy(energy)


def read_pymatgen_json(content: bytes, stem: str) -> Iterator[Found]:
    """`Structure.as_dict()`, or an entry {structure, energy, correction}, alone, in a list or in a dict by name.

    Read by this schema and never by a decoder that imports what a file names.
    """

    def refuse(constant: str) -> NoReturn:
        raise BadFileError(f"holds {constant}, which is no number of a crystal")

    document = json.loads(_text(content), parse_constant=refuse)
    _check_keys(document)
    if isinstance(document, dict) and not {"lattice", "structure"} & set(document):
        named = [(str(k), v) for k, v in document.items() if not k.startswith("@")]
    else:
        many = document if isinstance(document, list) else [document]
        named = [(_numbered(stem, i, len(many)), v) for i, v in enumerate(many)]
    for name, record in named:
        if not isinstance(record, dict):
            raise BadFileError(f"{name} is no structure: expected Structure.as_dict() or an entry with a structure")
        label = next((str(record[k]) for k in ("entry_id", "material_id") if record.get(k)), name)
        energy = _energy(record.get("energy"))
        if energy is not None:
            energy += _energy(record.get("correction")) or 0.0
        yield label, _from_structure_dict(record.get("structure", record), label), energy


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.startswith("@") and key not in ("@module", "@class", "@version"):
                raise BadFileError(f"holds the key {key[:40]!r}, which is not part of a structure")
            _check_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_keys(inner)


def _from_structure_dict(record: Any, name: str) -> Crystal:
    try:
        numbers = []
        for site in record["sites"]:
            (species,) = site["species"]
            if float(species.get("occu", 1)) != 1.0:
                raise BadFileError(f"{name} is disordered (partial occupancies): order it first")
            numbers.append(_element(species["element"]))
        return Crystal.make(numbers, [site["abc"] for site in record["sites"]], record["lattice"]["matrix"])
    except BadFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise BadFileError(
            f"{name} is no ordered structure ({type(error).__name__}: {error}): "
            "expected lattice.matrix and sites with species and abc"
        ) from error


def _element(text: str) -> int:
    """Atomic number of "Fe", or of "Fe2+" as pymatgen writes a species."""
    match = re.fullmatch(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-])?", text)
    if match is None:
        raise BadFileError(f"names an element {text[:20]!r} that does not exist")
    return atomic_number(match[1])


READERS: dict[str, Callable[[bytes, str], Iterator[Found]]] = {
    "cif": read_cif,
    "poscar": read_poscar,
    "extxyz": read_extxyz,
    "db": read_ase_db,
    "json": read_pymatgen_json,
}


def complaint(crystal: Crystal) -> str:
    """Why this cannot be a crystal, "" if it can."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    low, high = VOLUME_PER_ATOM_ANG3
    if len(crystal) > MAX_SITES:
        return f"has {len(crystal)} sites, at most {MAX_SITES} are read"
    if not (lengths < MAX_LENGTH_ANG).all():
        return f"has a lattice vector of {lengths.max():.3g} Å"
    if not low <= crystal.volume / len(crystal) <= high:
        return f"has {crystal.volume / len(crystal):.3g} Å^3 per atom, between {low:g} and {high:g} are plausible"
    if not crystal.volume / max(np.linalg.norm(np.cross(a, b)) for a, b in _faces(crystal.lattice)) > MIN_DISTANCE_ANG:
        return "has a cell flatter than an atom"
    from vesin import NeighborList

    close = NeighborList(cutoff=MIN_DISTANCE_ANG, full_list=False).compute(
        points=crystal.cart_coords, box=crystal.lattice, periodic=True, quantities="d"
    )[0]
    return f"has atoms {close.min():.3f} Å apart" if len(close) else ""


def _faces(lattice: Any) -> Iterator[tuple[Any, Any]]:
    return pairwise([*lattice, lattice[0]])


def _from_pymatgen(structure: Any) -> Crystal:
    for species in structure.composition.elements:
        _element(species.symbol)
    return Crystal.from_pymatgen(structure)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Degree signs and authors' names of older CIFs; numbers and symbols are ASCII either way.
        return content.decode("latin-1")


def _energy(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not np.isscalar(value) or not np.isfinite(float(value)):
        raise BadFileError(f"has an energy that is no finite number ({str(value)[:20]})")
    return float(value)


def _numbered(stem: str, index: int, n: int) -> str:
    return stem if n == 1 else f"{stem}-{index + 1}"


def read(kind: str, content: bytes, stem: str) -> dict[str, Any]:
    """Everything found, or what is wrong, as plain JSON."""
    found: list[dict[str, Any]] = []
    total = 0
    try:
        for name, crystal, energy in READERS[kind](content, stem):
            why = complaint(crystal)
            total += len(crystal)
            if why or total > MAX_TOTAL_SITES:
                raise BadFileError(f"{name} {why}" if why else f"has more than {MAX_TOTAL_SITES} sites: split it")
            found.append(
                {
                    "name": name,
                    "numbers": crystal.numbers.tolist(),
                    "frac_coords": crystal.frac_coords.tolist(),
                    "lattice": crystal.lattice.tolist(),
                    "energy_ev": energy,
                }
            )
    except MemoryError:
        return {"error": f"needs more than {MEMORY_BYTES >> 30} GiB to read: split it"}
    # A parser may fail in any way on a foreign file; each way is the file's fault and none may show a traceback.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        return {"error": said if isinstance(error, BadFileError) else f"does not parse as {kind} ({said})"}
    return {"crystals": found} if found else {"error": "holds no crystals"}


def _limit() -> None:
    """Memory and CPU beyond what importing took; no file may be written."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + CPU_S,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as statm:
            mapped = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_BYTES,) * 2)


def main() -> None:
    kind, stem = sys.argv[1:3]
    content = sys.stdin.buffer.read()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a parser that prints must not write into the answer
    warnings.simplefilter("ignore")
    if kind == "cif":
        import pymatgen.io.cif
    elif kind == "poscar":
        import pymatgen.io.vasp
    elif kind == "extxyz":
        import ase.io.extxyz  # noqa: F401
    import vesin  # noqa: F401

    _limit()
    json.dump(read(kind, content, stem), out)
    out.close()


if __name__ == "__main__":
    main()
