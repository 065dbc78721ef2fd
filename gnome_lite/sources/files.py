"""Users' crystals: CIF, POSCAR, extxyz, ASE database, pymatgen JSON, parsed in limited child processes."""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import read_limited
from gnome_lite.core.messages import Message
from gnome_lite.core.processes import Child, ExitReason, child_environment
from gnome_lite.core.workers import Workers

MAX_BYTES = 5_000_000
DEADLINE_S = 60.0
"""Wall clock of one file, for its 10 s of CPU on a busy machine."""
FILES_A_READER = 100
"""A reader takes as long to start as to read some hundred files."""
FILES_AT_ONCE = 32
"""So many files are held in memory."""

_NEEDED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
KINDS = {
    ".cif": "cif", ".vasp": "poscar", ".poscar": "poscar", ".contcar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz",
    ".db": "db", ".json": "json",
}  # fmt: skip
"""Format by suffix."""


class NamedCrystal(NamedTuple):
    """A crystal of a user's file.

    Attributes:
        energy_ev: energy of the cell, None where the file gives none.
        level: level of theory of that energy, "" where the file gives none.
    """

    name: str
    crystal: Crystal
    energy_ev: float | None
    level: str = ""


class NamedFile(NamedTuple):
    """A file that a user has named, or that lies in a folder which he has named.

    Attributes:
        name: its own name, or its path within the folder.
        listed: it lies in a folder.
    """

    path: Path
    name: str
    listed: bool


class ReadFile(NamedTuple):
    """What became of a file: its crystals, or what is wrong with it (in words that name it; "" = nothing)."""

    path: Path
    crystals: list[NamedCrystal]
    error: str


def crystal_files(paths: Iterable[Path]) -> list[NamedFile]:
    """Return files, and of folders all that suffix or name tell to be crystals, subfolders included, by path.

    Raises:
        SourceError: if a path does not exist, or a folder holds no such file.
    """
    found: list[NamedFile] = []
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise SourceError(f"there is no file {path}: check the path")
            found.append(NamedFile(path, path.name, listed=False))
            continue
        inside = sorted(p.relative_to(path) for p in _walk(path) if _kind(p))
        if not inside:
            raise SourceError(f"folder {path} holds no crystals: name one with {_READ}")
        found += [NamedFile(path / p, str(p), listed=True) for p in inside]
    return found


def read_files(paths: Iterable[Path], most_bytes: int = MAX_BYTES) -> Iterator[ReadFile]:
    """Yield what is in each file, in order; what a name that ends in .gz says is unpacked.

    A file that cannot be read costs only itself. Few readers serve all files.

    Args:
        paths: files.
        most_bytes: of a file, and of what it unpacks to.

    Raises:
        SourceError: if no reader can be started.
    """
    paths = list(map(Path, paths))
    kinds = sorted(set(filter(None, map(_kind, paths))))
    module = "gnome_lite.sources.reader"
    workers: Workers[_Task] = Workers(module, {"kinds": kinds}, _message, 0, DEADLINE_S, start=_start)
    workers.n = min(workers.n, 1 + len(paths) // FILES_A_READER)
    try:
        for first in range(0, len(paths), FILES_AT_ONCE):
            yield from _read_some(paths[first : first + FILES_AT_ONCE], most_bytes, workers)
    finally:
        workers.close()


def read_all(files: Sequence[NamedFile]) -> list[tuple[NamedFile, NamedCrystal]]:
    """Return every crystal of some files beside its file.

    Raises:
        SourceError: naming the first file that cannot be read and what is wrong with it.
    """
    return [
        (file, crystal)
        for file, read in zip(files, read_files(f.path for f in files), strict=True)
        for crystal in _sound(read)
    ]


def read_crystals(path: Path, most_bytes: int = MAX_BYTES) -> list[NamedCrystal]:
    """Read all crystals of one file; arguments as in `read_files`.

    Raises:
        SourceError: naming the file and what is wrong with it, whatever the file is.
    """
    (read,) = read_files([path], most_bytes)
    return _sound(read)


def _sound(read: ReadFile) -> list[NamedCrystal]:
    if read.error:
        raise SourceError(read.error)
    return read.crystals


class _Task(NamedTuple):
    """A file to be parsed: its place among those that are read together, format, stem and content."""

    place: int
    kind: str
    stem: str
    content: bytes


def _read_some(paths: Sequence[Path], most_bytes: int, workers: Workers[_Task]) -> Iterator[ReadFile]:
    """Yield what is in files that are held in memory together."""
    found: dict[int, ReadFile] = {}
    tasks: deque[_Task] = deque()
    for place, path in enumerate(paths):
        try:
            kind, content = _kind(path), _content(path, most_bytes)
        except SourceError as error:
            found[place] = ReadFile(path, [], str(error))
            continue
        tasks.append(_Task(place, kind, _plain(path).stem, content))
    with closing(workers.run(tasks)) as events:
        for task, said, _ in events:
            if task is None:
                why = said.text if isinstance(said, ExitReason) else said
                raise SourceError(f"no reader of crystal files can be started ({why}): check the installation")
            found[task.place] = _understood(paths[task.place], said)
    yield from (found[place] for place in range(len(paths)))


def _understood(path: Path, said: Message | ExitReason) -> ReadFile:
    if isinstance(said, ExitReason):
        return ReadFile(path, [], f"{path} {_death(said)}: split or simplify it")
    if "error" in said:
        return ReadFile(path, [], f"{path} {said['error']}")
    crystals = [
        NamedCrystal(c["name"], Crystal.make(c["numbers"], c["frac_coords"], c["lattice"]), c["energy_ev"], c["level"])
        for c in said["crystals"]
    ]
    return ReadFile(path, crystals, "")


def _message(task: _Task) -> Message:
    return {"kind": task.kind, "stem": task.stem, "content": b64encode(task.content).decode("ascii")}


def _start(module: str) -> Child:
    # Only what Python needs to start: the parsers get no keys and no user's start-up files.
    environment = {k: v for k, v in child_environment().items() if k in _NEEDED}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    return Child([sys.executable, "-B", "-P", "-s", "-m", module], environment)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders; links to folders and what is hidden are passed over."""

    def refuse(error: OSError) -> None:
        raise SourceError(f"cannot read folder {error.filename} ({error.strerror}): check its permissions") from error

    for inside, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(inside, name) for name in names if not name.startswith("."))


_READ = f"{', '.join(KINDS)}, POSCAR or CONTCAR"


def _kind(path: Path) -> str:
    """Return the format of a file by its name, "" where that tells none."""
    vasp = path.name.lower().startswith(("poscar", "contcar"))
    return KINDS.get(_plain(path).suffix.lower(), "poscar" if vasp else "")


def _plain(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".gz" else path


def _content(path: Path, most_bytes: int) -> bytes:
    try:
        if not _kind(path):
            raise SourceError(f"{path} has no suffix that is read: use {_READ}")
        content = read_limited(path, most_bytes, unpack=path.suffix == ".gz")
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}: check the path") from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if not content.strip():
        raise SourceError(f"{path} is empty")
    return content


def _death(end: ExitReason) -> str:
    if end.kind == "overdue":
        return f"takes more than {DEADLINE_S:.0f} s to read"
    signal = re.match(r"died of (\w+)", end.text)
    if signal is None:
        return "cannot be read within 1 GiB of memory"
    if signal[1] == "SIGXCPU":
        return "takes more than 10 s of processor time to read"
    return f"crashes its reader ({signal[1]})"
