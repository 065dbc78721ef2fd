"""A user's crystals: CIF, POSCAR, extxyz, ASE database, pymatgen JSON, parsed in a limited child process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import read_limited
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.processes import Child, child_environment
from gnome_lite.core.records import Phase
from gnome_lite.sources.combined import merge
from gnome_lite.sources.reference_files import read_references

MAX_BYTES = 5_000_000
DEADLINE_S = 60.0
"""Wall clock, start of the child included, for its 10 s of CPU on a busy machine."""

_NEEDED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
KINDS = {
    ".cif": "cif", ".vasp": "poscar", ".poscar": "poscar", ".contcar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz",
    ".db": "db", ".json": "json",
}  # fmt: skip
"""Format by suffix."""


class NamedCrystal(NamedTuple):
    """A crystal of a user's file; `energy_ev` (of the cell) is None where the file gives none."""

    name: str
    crystal: Crystal
    energy_ev: float | None


def read_crystals(path: Path, most_bytes: int = MAX_BYTES) -> list[NamedCrystal]:
    """Read all crystals of one file; what a name that ends in .gz says is unpacked.

    Args:
        path: file.
        most_bytes: of the file, and of what it unpacks to.

    Raises:
        SourceError: naming the file and what is wrong with it, whatever the file is.
    """
    path = Path(path)
    kind, content = _kind(path), _content(path, most_bytes)
    # Only what Python needs to start: the parsers get no keys and no user's start-up files.
    environment = {k: v for k, v in child_environment().items() if k in _NEEDED}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-B", "-P", "-s", "-m", "gnome_lite.sources.reader", kind, _plain(path).stem]
    child = Child(command, environment)
    try:
        answer, _ = child.process.communicate(content, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{path} takes more than {DEADLINE_S:.0f} s to read: split or simplify it") from None
    finally:
        child.stop()
    if child.process.returncode != 0:
        raise SourceError(f"{path} {_death(child.process.returncode)}: split or simplify it")
    result = json.loads(answer)
    if "error" in result:
        raise SourceError(f"{path} {result['error']}")
    return [
        NamedCrystal(c["name"], Crystal.make(c["numbers"], c["frac_coords"], c["lattice"]), c["energy_ev"])
        for c in result["crystals"]
    ]


def _kind(path: Path) -> str:
    vasp = path.name.lower().startswith(("poscar", "contcar"))
    kind = KINDS.get(_plain(path).suffix.lower(), "poscar" if vasp else None)
    if kind is None:
        raise SourceError(f"{path} has no suffix that is read: use {', '.join(KINDS)}, POSCAR or CONTCAR")
    return kind


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".gz" else path


def _content(path: Path, most_bytes: int) -> bytes:
    try:
        content = read_limited(path, most_bytes, unpack=path.suffix == ".gz")
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}: check the path") from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if not content.strip():
        raise SourceError(f"{path} is empty")
    return content


def _death(returncode: int) -> str:
    if returncode == -signal.SIGXCPU:
        return "takes more than 10 s of processor time to read"
    if returncode < 0:
        return f"crashes its reader ({signal.Signals(-returncode).name})"
    return "cannot be read within 1 GiB of memory"


class FileSource:
    """References from a user's files, all at one level of theory; each crystal needs an energy."""

    def __init__(self, paths: Sequence[Path], level: str, licence: str = "not stated") -> None:
        self._paths, self._level, self._licence = tuple(map(Path, paths)), level, licence

    def load(self) -> PhaseSet:
        """Read all files.

        Raises:
            SourceError: if a file cannot be read, or a crystal in it has no energy.
        """
        entries = []
        for path in self._paths:
            if path.suffix == ".parquet":  # our own: `gnome-lite references` writes it; it names its level
                entries += read_references(path)
                continue
            for name, crystal, energy_ev in read_crystals(path):
                if energy_ev is None:
                    raise SourceError(
                        f"{path}: {name} has no energy: references need energies at level {self._level} "
                        "(extxyz, an ASE database, or pymatgen entries as JSON carry them)"
                    )
                source = f"file {path.name}"
                entries.append(Phase(crystal.content_id, crystal, energy_ev, self._level, source, self._licence))
        return PhaseSet.make(merge(entries))
