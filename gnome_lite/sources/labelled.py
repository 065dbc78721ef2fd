"""Crystals with formation energies from a CSV table, as matbench and CDVAE ship them: to pretrain networks on.

Columns `cif` and `formation_energy_per_atom` (eV/atom); `material_id`, where there is one, names rows in messages. The
CIFs must list every site (P 1, as pymatgen writes them). They are read by a few strict lines of our own: a general
parser is slow, and must not be trusted with other people's files outside a limited process.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import open_table
from gnome_lite.core.records import TrainingSet

CIF, ENERGY, NAME = "cif", "formation_energy_per_atom", "material_id"
MAX_CIF_CHARACTERS = 1_000_000
MAX_BYTES = 2_000_000_000
"""Of a table, plain: a million crystals."""
_SITE = "_atom_site_"


def read_labelled(path: Path) -> TrainingSet:
    """Read all crystals of one table, plain or gzipped.

    Raises:
        SourceError: naming the file, the row and what is wrong with it.
    """
    path = Path(path)
    crystals: list[Crystal] = []
    energies: list[float] = []
    try:
        for number, row in enumerate(_rows(path), 2):
            try:
                crystals.append(crystal_from_p1_cif(row[CIF]))
                energies.append(_finite(row[ENERGY]))
            except ValueError as error:
                name = f" ({row[NAME]})" if row.get(NAME) else ""
                raise SourceError(f"{path}, line {number}{name}: {error}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot read {path}: {why}; give a CSV table, plain or .gz") from error
    if not crystals:
        raise SourceError(f"{path} holds no crystals: give a table with columns {CIF} and {ENERGY}")
    return TrainingSet(CrystalBatch.from_crystals(crystals), np.array(energies))


def crystal_from_p1_cif(text: str) -> Crystal:
    """Return the crystal of a CIF that lists all its sites.

    Raises:
        ValueError: if it has symmetry operations, partial occupancies, or no sound cell and sites.
    """
    cell: dict[str, float] = {}
    columns: list[str] = []
    sites: list[list[str]] = []
    operations = 0
    in_loop = False
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "loop_":
            in_loop, columns = True, columns if sites else []
        elif words[0].startswith("_"):
            tag = words[0]
            if tag.startswith(("_cell_length_", "_cell_angle_")) and len(words) == 2:
                cell[tag] = _finite(words[1].split("(")[0])
            elif in_loop and not sites:
                columns.append(tag)
        elif in_loop and any(tag.startswith(_SITE) for tag in columns) and len(words) == len(columns):
            sites.append(words)
        elif in_loop and columns and "symmetry_equiv" in columns[0] + columns[-1]:
            operations += 1
    if operations > 1:
        raise ValueError("its CIF has symmetry operations: write it in P 1, with every site listed")
    names = [f"_cell_{n}" for n in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")]
    if not set(names) <= cell.keys() or not sites:
        raise ValueError("its CIF lacks a cell or sites")
    column = {tag.removeprefix(_SITE): i for i, tag in enumerate(columns)}
    try:
        numbers = [atomic_number(site[column["type_symbol"]].rstrip("0123456789+-")) for site in sites]
        frac = [[_finite(site[column[f"fract_{axis}"]].split("(")[0]) for axis in "xyz"] for site in sites]
        partial = any(_finite(site[column["occupancy"]]) != 1.0 for site in sites) if "occupancy" in column else False
    except KeyError as error:
        raise ValueError(f"its CIF lacks {_SITE}{error.args[0]}") from error
    if partial:
        raise ValueError("it is disordered (partial occupancies): give ordered crystals")
    return Crystal.make(numbers, frac, _lattice(*(cell[name] for name in names)))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with open_table(path, MAX_BYTES, MAX_CIF_CHARACTERS) as table:
        missing = {CIF, ENERGY} - set(table.fieldnames or ())
        if missing:
            raise SourceError(f"{path} has no column {', '.join(sorted(missing))}")
        yield from table


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _lattice(a: float, b: float, c: float, alpha: float, beta: float, gamma: float) -> NDArray[np.float64]:
    """Return lattice vectors as rows, Å: a along x, b in the plane of x and y.

    Raises:
        ValueError: if lengths and angles make no cell.
    """
    cos_a, cos_b, cos_g = np.cos(np.radians([alpha, beta, gamma]))
    sin_g = np.sin(np.radians(gamma))
    if min(a, b, c) <= 0 or abs(sin_g) < 1e-6:
        raise ValueError("its cell is none")
    y = (cos_a - cos_b * cos_g) / sin_g
    height = 1.0 - cos_b**2 - y**2
    if height <= 0:
        raise ValueError("its cell is none")
    return np.array([[a, 0, 0], [b * cos_g, b * sin_g, 0], [c * cos_b, c * y, c * np.sqrt(height)]])
