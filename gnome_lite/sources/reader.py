"""The child process that parses users' files, one after another, within limits that are set anew for each.

Parsers of crystal files accept NaN cells, invent elements and can run for minutes on a few kilobytes. Here a file has
10 s of CPU, 1 GiB and no right to write a file, and what they return is checked before it leaves. `files.py` runs it.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import warnings
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from itertools import count, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.formats import read_extxyz_frames
from gnome_lite.core.messages import Channel
from gnome_lite.sources import pymatgen_json
from gnome_lite.sources.pymatgen_json import BadFileError, Found, as_text, element_number, finite_energy, numbered

FILES_A_CHILD = 1000
"""A child that has read so many is replaced: parsers keep some of what they have read."""
CPU_S = 10
MEMORY_BYTES = 1 << 30
MAX_SITES = 2_000
MAX_TOTAL_SITES = 100_000
MAX_SITES_TIMES_OPERATORS = 20_000
MIN_DISTANCE_ANG = 0.5
"""No two nuclei come closer; the shortest bond, H2's, has 0.74 Å."""
MAX_LENGTH_ANG = 500.0
VOLUME_PER_ATOM_ANG3 = (2.0, 1000.0)
NAMES = ("gnome_lite_id", "name", "id", "material_id")
"""Keys of extended XYZ and ASE databases whose text names a crystal."""
MAX_TEXT = 200
"""Characters of a name or a level."""


def read_cif(content: bytes, stem: str) -> Iterator[Found]:
    """Yield every block of a CIF that has atoms, expanded by its own operators, in the cell as written."""
    from pymatgen.io.cif import CifFile

    from gnome_lite.sources.cif_sites import SiteParser

    blocks = {k: b for k, b in CifFile.from_str(as_text(content)).data.items() if "_atom_site_fract_x" in b.data}
    if not blocks:
        raise BadFileError("holds no atom sites (_atom_site_fract_x)")
    for name, block in blocks.items():
        operators = _cif_operators(block.data)
        if len(block.data["_atom_site_fract_x"]) * max(len(operators), 1) > MAX_SITES_TIMES_OPERATORS:
            raise BadFileError(f"expands to more than {MAX_SITES_TIMES_OPERATORS} sites; give a smaller cell")
        parser = SiteParser.from_str(str(block))
        (structure,) = parser.parse_structures(primitive=False, on_error="raise")
        understood = len(parser.symmetry_operations)
        if operators and understood != len(operators):
            raise BadFileError(f"has {len(operators)} symmetry operators of which {understood} were understood")
        yield Found(stem if len(blocks) == 1 else name, _from_pymatgen(structure))


_TERM = r"(?:\d+/\d+|\d*\.\d+|\d+\.?|[xyz])"
_OPERATOR = re.compile(rf"[+-]?{_TERM}(?:[+-]{_TERM})*(?:,[+-]?{_TERM}(?:[+-]{_TERM})*){{2}}", re.IGNORECASE)


def _cif_operators(block: dict[str, Any]) -> list[str]:
    """Return the operators of a block as written; pymatgen silently drops to P1 where it cannot read one."""
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
    """Yield the one crystal. VASP 4 files, which name no elements, are refused: pymatgen would guess them."""
    from pymatgen.io.vasp import Poscar

    poscar = Poscar.from_str(as_text(content), read_velocities=False)
    if not poscar.true_names:
        raise BadFileError("names no elements (VASP 4): add a line of symbols above the line of counts")
    yield Found(stem, _from_pymatgen(poscar.structure))


def read_extxyz(content: bytes, stem: str) -> Iterator[Found]:
    """Yield every frame with the energy of its comment line; its cell must be periodic in three directions."""
    frames = list(read_extxyz_frames(as_text(content)))
    for i, atoms in enumerate(frames):
        if not (atoms.pbc.all() and atoms.cell.rank == 3):
            raise BadFileError(f'frame {i} is not periodic in three directions: give Lattice="..." and pbc="T T T"')
        energy = None if atoms.calc is None else atoms.calc.results.get("energy", atoms.calc.results.get("free_energy"))
        energy = atoms.info.get("energy") if energy is None else energy
        name = _text(atoms.info, *NAMES) or numbered(stem, i, len(frames))
        yield Found(name, Crystal.from_ase(atoms), finite_energy(energy), _text(atoms.info, "level"))


def _text(facts: Mapping[str, Any], *keys: str) -> str:
    """Return the text under the first of some keys that is there; "" where none is."""
    return next((str(facts[k])[:MAX_TEXT] for k in keys if k in facts), "")


def read_ase_db(content: bytes, stem: str) -> Iterator[Found]:
    """Yield every row of an ASE database (SQLite), read from memory: the file's own triggers and paths stay dead."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    connection.execute("PRAGMA trusted_schema = OFF")
    query = "SELECT id, numbers, positions, cell, pbc, energy, key_value_pairs FROM systems ORDER BY id"
    try:
        rows = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise BadFileError(f"is no ASE database ({error})") from error
    for key, numbers, positions, cell, pbc, energy, pairs in rows:
        if pbc != 0b111:
            raise BadFileError(f"row {key} is not periodic in three directions")
        lattice = np.frombuffer(cell, "<f8").reshape(3, 3)
        frac_coords = np.linalg.solve(lattice.T, np.frombuffer(positions, "<f8").reshape(-1, 3).T).T
        crystal = Crystal.make(np.frombuffer(numbers, "<i4"), frac_coords, lattice)
        facts = json.loads(pairs) if isinstance(pairs, str) else {}
        yield Found(_text(facts, *NAMES) or f"{stem}-{key}", crystal, finite_energy(energy), _text(facts, "level"))


READERS: dict[str, Callable[[bytes, str], Iterator[Found]]] = {
    "cif": read_cif, "poscar": read_poscar, "extxyz": read_extxyz, "db": read_ase_db,
    "json": pymatgen_json.read_pymatgen_json,
}  # fmt: skip
IMPORTS = {
    "cif": "gnome_lite.sources.cif_sites", "poscar": "pymatgen.io.vasp", "extxyz": "ase.io.extxyz", "db": "ase.data",
    "json": "ase.data",
}  # fmt: skip
"""Module that each reader needs, imported with SciPy's before the limits begin to count."""


def complaint(crystal: Crystal) -> str:
    """Return why this cannot be a crystal, "" if it can."""
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    low, high = VOLUME_PER_ATOM_ANG3
    if len(crystal) > MAX_SITES:
        return f"has {len(crystal)} sites, at most {MAX_SITES} are read"
    if not (lengths < MAX_LENGTH_ANG).all():
        return f"has a lattice vector of {lengths.max():.3g} Å"
    if not low <= crystal.volume / len(crystal) <= high:
        return f"has {crystal.volume / len(crystal):.3g} Å^3 per atom, between {low:g} and {high:g} are plausible"
    # Distances between opposite faces of the cell, Å, [3].
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)
    if not heights.min() > MIN_DISTANCE_ANG:
        return "has a cell flatter than an atom"
    shortest = _shortest_distance(crystal, heights)
    return f"has atoms {shortest:.3f} Å apart" if shortest < MIN_DISTANCE_ANG else ""


def _shortest_distance(crystal: Crystal, heights: NDArray[np.float64]) -> float:
    """Return the distance of the closest pair, Å, exact where below MIN_DISTANCE_ANG.

    A tree over the atoms and those images that lie within that distance of the cell: linear in the number of
    atoms, and light to import (a neighbour-list library would load torch into the child).
    """
    from scipy.spatial import KDTree

    inside = crystal.frac_coords % 1.0
    shifts = np.array(list(product((0, 1, -1), repeat=3)))
    images = (inside + shifts[:, None, :]).reshape(-1, 3)
    margin = MIN_DISTANCE_ANG / heights
    near = ((images >= -margin) & (images <= 1.0 + margin)).all(axis=1)
    near[: len(inside)] = True
    distances = KDTree(images[near] @ crystal.lattice).query(inside @ crystal.lattice, k=2)[0]
    return float(distances[:, 1].min())


def _from_pymatgen(structure: Any) -> Crystal:
    for species in structure.composition.elements:
        element_number(species.symbol)
    return Crystal.from_pymatgen(structure)


def read(kind: str, content: bytes, stem: str) -> dict[str, Any]:
    """Return the crystals of a file, or what is wrong with it, as plain JSON."""
    found: list[dict[str, Any]] = []
    total = 0
    try:
        for name, crystal, energy, level in READERS[kind](content, stem):
            why = complaint(crystal)
            total += len(crystal)
            if why or total > MAX_TOTAL_SITES:
                raise BadFileError(f"{name} {why}" if why else f"has more than {MAX_TOTAL_SITES} sites: split it")
            found.append({"name": name, "energy_ev": energy, "level": level, **crystal.as_lists()})
    except MemoryError:
        # After this nothing in this process is to be trusted.
        return {"error": f"needs more than {MEMORY_BYTES >> 30} GiB to read: split it", "last": True}
    # A parser may fail in any way on a foreign file; each way is the file's fault and none may show a traceback.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        return {"error": said if isinstance(error, BadFileError) else f"does not parse as {kind} ({said})"}
    return {"crystals": found} if found else {"error": "holds no crystals"}


def _limit() -> None:
    """Limit memory and CPU of the next file beyond what the ones before took."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    # Above the limit the kernel sends SIGXCPU, by which the parent knows why.
    _lower(resource.RLIMIT_CPU, math.ceil(spent.ru_utime + spent.ru_stime) + CPU_S)
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as statm:
            mapped = int(statm.read().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, mapped + MEMORY_BYTES)


def _lower(what: int, limit: int) -> None:
    """Set the soft limit, which the next file may have higher, no higher than the hard one."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Serve until the parent closes the pipe, or a child has read enough."""
    parent = Channel.to_parent()  # a parser that prints must not write into the answer
    warnings.simplefilter("ignore")
    for module in (*(IMPORTS[kind] for kind in parent.receive()["kinds"]), "scipy.spatial"):
        import_module(module)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parent.send({"ready": True})
    for n in count(1):
        file = parent.receive()
        kind, stem, content = file["kind"], file["stem"], b64decode(file.pop("content"))
        _limit()
        answer = read(kind, content, stem)
        if n >= FILES_A_CHILD:
            answer["last"] = True
        parent.send(answer)
        if "last" in answer:
            return


if __name__ == "__main__":
    with suppress(EOFError):
        main()
