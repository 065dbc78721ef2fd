"""Wyckoff positions of the 230 space groups: where atoms may sit, as maps from free parameters to coordinates.

Settings are the standard ones of the International Tables for Crystallography A: unique axis b and cell choice 1,
hexagonal axes for rhombohedral lattices, origin choice 2. The table beside this file holds one line for each group,
derived from its symmetry operations by `tests/samples/wyckoff_derivation.py`; everything else follows from it and
the operations here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.space_groups import N_GROUPS, crystal_system, symbol_of

TABLE = Path(__file__).with_name("wyckoff.txt")
GRID = 24
"""Translations and origins are multiples of 1 / GRID, so that sameness is decided in whole numbers."""

PRIMITIVE_VECTORS = {
    "P": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "A": ((1, 0, 0), (0, 1 / 2, -1 / 2), (0, 1 / 2, 1 / 2)),
    "C": ((1 / 2, 1 / 2, 0), (-1 / 2, 1 / 2, 0), (0, 0, 1)),
    "F": ((0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0)),
    "I": ((-1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (1 / 2, 1 / 2, -1 / 2)),
    "R": ((2 / 3, 1 / 3, 1 / 3), (-1 / 3, 1 / 3, 1 / 3), (-1 / 3, -2 / 3, 1 / 3)),
}
"""A primitive cell of each centring, rows in fractions of the conventional cell."""


@dataclass(frozen=True, slots=True)
class Site:
    """One entry of the table.

    Attributes:
        letter: Wyckoff letter (Pmmm's 27th is "A").
        multiplicity: atoms in a conventional cell.
        coordinates: a representative, such as "x,2x,1/4".
        dof: number of free parameters, 0..3.
    """

    letter: str
    multiplicity: int
    coordinates: str
    dof: int


@dataclass(frozen=True, slots=True, eq=False)
class WyckoffPosition:
    """All images of a Wyckoff position: image k of parameters u [3] lies at matrices[k] @ u + origins[k].

    The first multiplicity / n_centring images are distinct in a primitive cell; image 0 is the table's.

    Attributes:
        site: its entry in the table.
        matrices: conventional fractions, whole numbers, [multiplicity, 3, 3]; columns from `dof` on are zero.
        origins: conventional fractions in [0, 1), [multiplicity, 3].
    """

    site: Site
    matrices: NDArray[np.float64]
    origins: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SpaceGroup:
    """A space group in its standard setting.

    Attributes:
        number: 1..230.
        symbol: short Hermann-Mauguin symbol without spaces, e.g. "Pnma".
        system: "triclinic", "monoclinic", "orthorhombic", "tetragonal", "hexagonal" (trigonal too) or "cubic".
        n_centring: primitive cells in a conventional one.
        primitive: primitive lattice vectors as rows, in fractions of the conventional cell, [3, 3].
        positions: by letter, "a" first.
    """

    number: int
    symbol: str
    system: str
    n_centring: int
    primitive: NDArray[np.float64]
    positions: tuple[WyckoffPosition, ...]


@lru_cache(maxsize=1)
def wyckoff_table() -> tuple[tuple[Site, ...], ...]:
    """Return the entries of each space group by letter, [231] (index = number; 0 has none)."""
    rows: list[tuple[Site, ...]] = [()]
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        _, *entries = line.split()
        rows.append(
            tuple(
                Site(name[-1], int(name[:-1]), where, len(set(re.findall("[xyz]", where))))
                for name, where in zip(entries[::2], entries[1::2], strict=True)
            )
        )
    return tuple(rows)


@lru_cache(maxsize=N_GROUPS)
def n_primitive_cells(number: int) -> int:
    """Return the number of primitive cells in a conventional one."""
    return round(1.0 / float(np.linalg.det(PRIMITIVE_VECTORS[symbol_of(number)[0]])))


@lru_cache(maxsize=N_GROUPS)
def space_group(number: int) -> SpaceGroup:
    """Return a space group by its number.

    Raises:
        ValueError: if the number is not 1..230.
    """
    from moyopy import Setting, operations_from_number

    if not 1 <= number <= N_GROUPS:
        raise ValueError(f"there is no space group {number}: numbers are 1..{N_GROUPS}")
    symbol, system = symbol_of(number), crystal_system(number).replace("trigonal", "hexagonal")
    found = operations_from_number(number, setting=Setting.standard(), primitive=False)
    rotations = np.array(found.rotations, dtype=np.int64)
    translations = np.rint(np.array(found.translations) * GRID).astype(np.int64) % GRID
    primitive = np.array(PRIMITIVE_VECTORS[symbol[0]], dtype=np.float64)
    centrings = translations[(rotations == np.eye(3)).all(axis=(1, 2))]
    # One operation of each rotation; the others differ from it by a centring.
    first = np.sort(np.unique(rotations, axis=0, return_index=True)[1])
    positions = tuple(
        _position(site, rotations[first], translations[first], centrings, primitive) for site in wyckoff_table()[number]
    )
    return SpaceGroup(number, symbol, system, n_primitive_cells(number), primitive, positions)


def _position(
    site: Site,
    rotations: NDArray[np.int64],
    translations: NDArray[np.int64],
    centrings: NDArray[np.int64],
    primitive: NDArray[np.float64],
) -> WyckoffPosition:
    """Return the images of an entry under the operations (translations and centrings in units of 1 / GRID)."""
    matrix, origin = _parse(site.coordinates)
    matrices, origins = rotations @ matrix, rotations @ origin + translations
    to_primitive = np.rint(np.linalg.inv(primitive)).astype(np.int64)
    # Images are the same where their matrices are, and their origins up to a vector of the primitive lattice.
    keys = np.concatenate([matrices.reshape(len(matrices), 9), origins @ to_primitive % GRID], axis=1)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    every = (centrings[:, None, :] + origins[first]).reshape(-1, 3) % GRID
    return WyckoffPosition(site, np.tile(matrices[first], (len(centrings), 1, 1)).astype(float), every / GRID)


def _parse(coordinates: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the matrix [3, 3] (columns = free parameters as they appear) and origin [3] x GRID of "x,2x,1/4"."""
    names = sorted(set(re.findall("[xyz]", coordinates)))
    matrix, origin = np.zeros((3, 3), dtype=np.int64), np.zeros(3, dtype=np.int64)
    for axis, text in enumerate(coordinates.split(",")):
        for sign, size, name in re.findall(r"([+-]?)([\d/]*)([xyz]?)", text):
            if name:
                matrix[axis, names.index(name)] += int(f"{sign}{size or 1}")
            elif size:
                origin[axis] += int(Fraction(f"{sign}{size}") * GRID)
    return matrix, origin
