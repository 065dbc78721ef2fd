"""Trajectories: every step of a relaxation with its energy, forces and stress, as training data for potentials.

One file a candidate, `FOLDER/LEVEL/CANDIDATE.extxyz` or `.parquet`, that appears whole or not at all. A folder of
Parquet files is one data set to pyarrow and pandas.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.disk import writing
from gnome_lite.core.errors import SourceError
from gnome_lite.core.formats import read_extxyz_frames
from gnome_lite.core.limited import read_limited
from gnome_lite.core.limited_parquet import read_parquet
from gnome_lite.core.plain_text import file_name

SUFFIXES = (".extxyz", ".parquet")
MAX_BYTES = 500_000_000
"""Of a file of extended XYZ."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One labelled crystal. NaN where there is no label.

    Attributes:
        energy_ev: energy of the cell.
        forces: eV/Å, [n_atoms, 3].
        stress: eV/Å^3, positive under tension (ASE's sign), [3, 3].
        level: level of theory of the labels; "" where the context tells.
    """

    crystal: Crystal
    energy_ev: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    level: str = ""

    def as_lists(self) -> dict[str, Any]:
        """Return plain lists for JSON; `from_lists` is its inverse."""
        labels = {"energy_ev": self.energy_ev, "forces": self.forces.tolist(), "stress": self.stress.tolist()}
        return self.crystal.as_lists() | labels

    @classmethod
    def from_lists(cls, lists: dict[str, Any]) -> Frame:
        crystal = Crystal.make(lists["numbers"], lists["frac_coords"], lists["lattice"])
        return cls(crystal, lists["energy_ev"], np.array(lists["forces"]), np.array(lists["stress"]))


def write_trajectory(folder: Path, kind: str, level: str, candidate_id: str, frames: Sequence[Frame]) -> Path:
    """Write the steps of one relaxation, in order; an older file of the same candidate is replaced.

    Args:
        folder: folder of all trajectories.
        kind: "extxyz" or "parquet".
        level: level of theory, which names the subfolder.
        candidate_id: id of the relaxed candidate, which names the file.
        frames: evaluations in order.

    Raises:
        DiskError: if it cannot be written; nothing of it is left then.
    """
    place = folder / file_name(level)
    path = place / f"{candidate_id}.{kind}"
    partial = place / f".{path.name}.{os.getpid()}.part"
    with writing(path):
        place.mkdir(parents=True, exist_ok=True)
        try:
            (_write_extxyz if kind == "extxyz" else _write_parquet)(partial, level, candidate_id, frames)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def read_trajectories(paths: Iterable[Path]) -> list[Frame]:
    """Return all frames of files, and of the files in folders, in the order of their names.

    Raises:
        SourceError: naming a file that is missing, of another kind, damaged or without labels.
    """
    frames: list[Frame] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise SourceError(f"{path} holds no {' or '.join(SUFFIXES)} files: name a folder of trajectories")
        for file in inside:
            if file.suffix not in SUFFIXES:
                raise SourceError(f"{file} is no trajectory: use {' or '.join(SUFFIXES)}")
            try:
                found = _read_extxyz(file) if file.suffix == ".extxyz" else _read_parquet(file)
            except FileNotFoundError as error:
                raise SourceError(f"there is no file {file}: check the path") from error
            except OSError as error:
                raise SourceError(f"cannot read {file}: {error.strerror or error}") from error
            except Exception as error:  # parsers raise many kinds, each of them the file's fault
                raise SourceError(f"{file} cannot be read ({' '.join(str(error).split())[:120]})") from error
            frames += found
    return frames


def _write_extxyz(path: Path, level: str, candidate_id: str, frames: Sequence[Frame]) -> None:
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write
    from ase.stress import full_3x3_to_voigt_6_stress

    images = []
    for step, frame in enumerate(frames):
        atoms = frame.crystal.to_ase()
        atoms.info |= {"id": candidate_id, "level": level, "step": step}
        stress = full_3x3_to_voigt_6_stress(frame.stress)
        atoms.calc = SinglePointCalculator(atoms, energy=frame.energy_ev, forces=frame.forces, stress=stress)
        images.append(atoms)
    write(path, images, format="extxyz")


def _read_extxyz(path: Path) -> list[Frame]:
    found = []
    for atoms in read_extxyz_frames(read_limited(path, MAX_BYTES).decode()):
        results = atoms.calc.results if atoms.calc is not None else {}
        if "energy" not in results or not np.isfinite(results["energy"]):
            raise ValueError("a frame has no energy")
        forces = results.get("forces", np.full((len(atoms), 3), np.nan))
        if forces.shape != (len(atoms), 3):
            raise ValueError("a frame has forces that do not fit its atoms")
        stress = atoms.get_stress(voigt=False) if "stress" in results else np.full((3, 3), np.nan)
        level = str(atoms.info.get("level", ""))
        found.append(Frame(Crystal.from_ase(atoms), float(results["energy"]), forces, stress, level))
    return found


def _write_parquet(path: Path, level: str, candidate_id: str, frames: Sequence[Frame]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = len(frames)
    columns = {
        "id": [candidate_id] * n,
        "level": [level] * n,
        "step": list(range(n)),
        "formula": [frames[0].crystal.reduced_formula] * n,
        "energy_ev": [f.energy_ev for f in frames],
        "numbers": [f.crystal.numbers for f in frames],
        "frac_coords": [f.crystal.frac_coords.ravel() for f in frames],
        "lattice": [f.crystal.lattice.ravel() for f in frames],
        "forces": [f.forces.ravel() for f in frames],
        "stress": [f.stress.ravel() for f in frames],
    }
    units = {b"units": json.dumps({"lattice": "Å", "forces": "eV/Å", "stress": "eV/Å^3, tension positive"}).encode()}
    pq.write_table(pa.table(columns).replace_schema_metadata(units), path, compression="zstd")


def _read_parquet(path: Path) -> list[Frame]:
    found = []
    for row in read_parquet(path).to_pylist():
        crystal = Crystal.make(row["numbers"], row["frac_coords"], np.reshape(row["lattice"], (3, 3)))
        forces, stress = np.reshape(row["forces"], (-1, 3)), np.reshape(row["stress"], (3, 3))
        if forces.shape != (len(crystal), 3) or not np.isfinite(row["energy_ev"]):
            raise ValueError(f"step {row['step']} has labels that do not fit its crystal")
        found.append(Frame(crystal, row["energy_ev"], forces, stress, row["level"]))
    return found
