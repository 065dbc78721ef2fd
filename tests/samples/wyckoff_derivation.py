"""How `wyckoff.txt` is made: Wyckoff positions derived exactly from the operations of each space group.

    python tests/samples/wyckoff_derivation.py

A Wyckoff position is a class of points whose site-symmetry groups are conjugate (International Tables A, 2016, ch.
1.4.4). Its points lie on subspaces that the site-symmetry group leaves fixed: isolated points, lines (rotation axes),
planes (mirrors) or all space. In fractions of a standard cell each of these passes through a point of a grid of 1/24,
the least common multiple of all translations that occur there and the orders of rotations, so that integer arithmetic
modulo 24 finds them all. Letters are a convention that no rule gives: moyopy names the positions, on a crystal that
occupies them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

GRID = 24
CELLS = {
    "triclinic": (5.1, 6.3, 7.7, 81.0, 97.0, 104.0),
    "monoclinic": (5.1, 6.3, 7.7, 90.0, 97.0, 90.0),
    "orthorhombic": (5.1, 6.3, 7.7, 90.0, 90.0, 90.0),
    "tetragonal": (5.1, 5.1, 7.7, 90.0, 90.0, 90.0),
    "hexagonal": (5.1, 5.1, 7.7, 90.0, 90.0, 120.0),
    "cubic": (5.1, 5.1, 5.1, 90.0, 90.0, 90.0),
}
"""A generic cell of each system, Å and degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Subspace:
    """Points origin / GRID + span(basis), in fractions of the standard conventional cell.

    Attributes:
        origin: integers 0..GRID - 1, [3].
        basis: integers, in echelon form, [dof, 3].
        multiplicity: images of one of its points in a conventional cell.
    """

    origin: NDArray[np.int64]
    basis: NDArray[np.int64]
    multiplicity: int

    def coordinates(self) -> str:
        """As the International Tables write them, e.g. "x,2x,1/4"."""
        return ",".join(_term(self.basis, int(self.origin[axis]), axis) for axis in range(3))

    def holds(self, point: NDArray[np.float64], tolerance: float = 1e-6) -> bool:
        """Whether a point lies on it, up to lattice translations."""
        grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        # Whole-number normals of the subspace: their products with its points are whole up to a constant.
        normals = grid[~(grid @ self.basis.T).any(axis=1)]
        along = normals @ (point - self.origin / GRID)
        return bool(np.abs(along - np.rint(along)).max() < tolerance)


def derive(number: int) -> dict[str, Subspace]:
    """Wyckoff positions of a space group by letter, "a" first, in the standard setting."""
    rotations, translations = _operations(number)
    positions = list(_positions(rotations, translations))
    names = _letters(number, rotations, translations, positions)
    order = sorted(range(len(positions)), key=lambda i: (names[i] == "A", names[i]))  # Pmmm's 27th letter is A
    return {names[i]: positions[i] for i in order}


def table_line(number: int) -> str:
    """One line of the table, e.g. "19 4a x,y,z"."""
    positions = derive(number).items()
    return " ".join([str(number), *(f"{p.multiplicity}{letter} {p.coordinates()}" for letter, p in positions)])


def _operations(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rotations [n, 3, 3] and translations in units of 1 / GRID [n, 3], of the conventional cell."""
    from moyopy import Setting, operations_from_number

    found = operations_from_number(number, setting=Setting.standard(), primitive=False)
    translations = np.rint(np.array(found.translations) * GRID).astype(np.int64) % GRID
    return np.array(found.rotations, dtype=np.int64), translations


def _positions(rotations: NDArray[np.int64], translations: NDArray[np.int64]) -> Iterator[Subspace]:
    """One subspace of each Wyckoff position, those without freedom first."""
    grid = np.stack(np.meshgrid(*[np.arange(GRID)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    fixes = np.array([((grid @ (r - np.eye(3, dtype=np.int64)).T + t) % GRID == 0).all(axis=1)
                      for r, t in zip(rotations, translations, strict=True)])  # fmt: skip
    for dof in range(3):
        for spaces in _orbits_of_spaces(rotations, dof):
            seen = np.zeros((len(spaces), len(grid)), dtype=bool)
            keep = np.array([(rotations @ basis.T == basis.T).all(axis=(1, 2)) for basis in spaces])
            # Operations that fix a generic point of grid point + space; the space is fixed by nothing less.
            stabiliser = fixes & keep[0][:, None]
            patterns, inverse = np.unique(stabiliser, axis=1, return_inverse=True)
            whole = np.array([_fixed_dimension(rotations[p]) == dof for p in patterns.T])
            for point in np.flatnonzero(whole[inverse.ravel()]):
                if seen[0, point]:
                    continue
                images = [_image(r, t, grid[point], spaces[0]) for r, t in zip(rotations, translations, strict=True)]
                for origin, basis in images:
                    seen[_index_of(basis, spaces), _grid_index(_points(origin, basis))] = True
                origin, basis = min((_nicest(o, b) for o, b in images), key=_niceness)
                yield Subspace(origin, basis, len(rotations) // int(stabiliser[:, point].sum()))
    yield Subspace(np.zeros(3, dtype=np.int64), np.eye(3, dtype=np.int64), len(rotations))


def _orbits_of_spaces(rotations: NDArray[np.int64], dof: int) -> list[list[NDArray[np.int64]]]:
    """Spaces of some dimension that may be fixed (as echelon bases [dof, 3]), in classes under the point group."""
    if dof == 0:
        return [[np.empty((0, 3), dtype=np.int64)]]
    identity = np.eye(3, dtype=np.int64)
    found: dict[bytes, NDArray[np.int64]] = {}
    for r in np.unique(rotations, axis=0):
        if (dof == 1 and round(np.linalg.det(r)) == 1) or dof == 2:
            basis = _kernel(r - identity)
            if len(basis) == dof:
                found.setdefault(basis.tobytes(), basis)
    classes: list[list[NDArray[np.int64]]] = []
    while found:
        first = next(iter(found.values()))
        orbit = {b.tobytes(): b for b in (_echelon(first @ r.T) for r in rotations)}
        classes.append(list(orbit.values()))
        for key in orbit:
            found.pop(key)
    return classes


def _fixed_dimension(rotations: NDArray[np.int64]) -> int:
    """Dimension of the space that a group of rotations leaves fixed: the trace of their mean."""
    return int(np.rint(np.trace(rotations, axis1=1, axis2=2).mean())) if len(rotations) else 3


def _kernel(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Echelon basis [dof, 3] of the whole-number vectors that a matrix sends to zero."""
    small = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return _echelon(small[~(small @ matrix.T).any(axis=1)])


def _echelon(vectors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hermite form of the lattice that whole-number vectors [n, 3] span, [rank, 3]."""
    rows = [list(map(int, v)) for v in vectors]
    basis: list[list[int]] = []
    for axis in range(3):
        while True:
            live = sorted((r for r in rows if r[axis]), key=lambda r: abs(r[axis]))
            if len(live) < 2:
                break
            pivot = live[0]
            rows = [
                r
                if r is pivot or not r[axis]
                else [a - r[axis] // pivot[axis] * b for a, b in zip(r, pivot, strict=True)]
                for r in rows
            ]
        if live:
            pivot = live[0]
            rows = [r for r in rows if r is not pivot]
            if pivot[axis] < 0:
                pivot = [-a for a in pivot]
            basis = [[a - b[axis] // pivot[axis] * p for a, p in zip(b, pivot, strict=True)] for b in basis]
            basis.append(pivot)
        rows = [r for r in {tuple(r): r for r in rows}.values() if any(r)]
    return np.array(basis, dtype=np.int64).reshape(-1, 3)


def _image(
    rotation: NDArray[np.int64], translation: NDArray[np.int64], origin: NDArray[np.int64], basis: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where an operation takes a subspace."""
    return (rotation @ origin + translation) % GRID, _echelon(basis @ rotation.T)


def _points(origin: NDArray[np.int64], basis: NDArray[np.int64]) -> NDArray[np.int64]:
    """All grid points of a subspace, [GRID ** dof, 3]."""
    points = origin[None]
    for vector in basis:
        points = (points[:, None] + np.arange(GRID)[:, None] * vector).reshape(-1, 3)
    return points % GRID


def _grid_index(points: NDArray[np.int64]) -> NDArray[np.int64]:
    return points @ np.array([GRID**2, GRID, 1])


def _index_of(basis: NDArray[np.int64], spaces: list[NDArray[np.int64]]) -> int:
    return next(i for i, s in enumerate(spaces) if np.array_equal(s, basis))


def _nicest(origin: NDArray[np.int64], basis: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same subspace from the grid point with the simplest coordinates."""
    points = _points(origin, basis)
    pivots = [int(np.flatnonzero(v)[0]) for v in basis]
    # A free coordinate is written as "x", not "x+1/4".
    points = points[~points[:, pivots].any(axis=1)] if (points[:, pivots] == 0).all(axis=1).any() else points
    return min(points, key=lambda p: _niceness((p, basis))), basis


def _niceness(subspace: tuple[NDArray[np.int64], NDArray[np.int64]]) -> tuple[object, ...]:
    origin, basis = subspace
    fractional = any(v[np.flatnonzero(v)[0]] != 1 for v in basis)
    return fractional, int((basis < 0).sum()), (-basis).tolist(), int((origin > 0).sum()), origin.tolist()


def _term(basis: NDArray[np.int64], origin: int, axis: int) -> str:
    """One coordinate, e.g. "-x+1/4"."""
    text = ""
    for vector in basis:
        factor, name = int(vector[axis]), "xyz"[int(np.flatnonzero(vector)[0])]
        if factor:
            text += ("-" if factor < 0 else "+") + (str(abs(factor)) if abs(factor) > 1 else "") + name
    if origin:
        divisor = gcd(origin, GRID)
        text += f"+{origin // divisor}/{GRID // divisor}"
    return text.removeprefix("+") or "0"


def _letters(
    number: int, rotations: NDArray[np.int64], translations: NDArray[np.int64], positions: list[Subspace]
) -> list[str]:
    """The letter of each position, by moyopy.

    moyopy may move the origin to an equivalent one, which permutes letters; so each letter goes to the position
    on which its atoms lie in moyopy's standard cell.
    """
    from moyopy import Cell, MoyoDataset, Setting, SpaceGroupType
    from pymatgen.core import Lattice

    system = SpaceGroupType(number).crystal_system.lower()
    cell = Lattice.from_parameters(*CELLS["hexagonal" if system == "trigonal" else system]).matrix
    free = np.random.default_rng(0)
    atoms, kinds = [], []
    general = len(positions) - 1
    # More than one orbit without symmetry, so that the crystal has no more than the group.
    for kind, which in enumerate([*range(general), *[general] * 4], start=1):
        p = positions[which]
        point = p.origin / GRID + free.random(len(p.basis)) @ p.basis
        images = (rotations @ point + translations / GRID) % 1.0
        atoms += np.unique(np.round(images, 9) % 1.0, axis=0).tolist()
        kinds += [kind] * p.multiplicity
    found = MoyoDataset(Cell(cell.tolist(), atoms, kinds), symprec=1e-3, setting=Setting.standard())
    if found.number != number:
        raise RuntimeError(f"moyopy takes the crystal of all positions of group {number} for {found.number}")
    standard = {kind: np.array(x) for x, kind in zip(found.std_cell.positions, found.std_cell.numbers, strict=True)}
    named = {kinds[i]: letter for i, letter in enumerate(found.wyckoffs)}
    names = [""] * len(positions)
    for kind, x in standard.items():
        images = (rotations @ x + translations / GRID) % 1.0
        here = [
            i
            for i, p in enumerate(positions)
            if p.multiplicity == positions[min(kind - 1, general)].multiplicity and any(p.holds(y) for y in images)
        ]
        names[min(here, key=lambda i: len(positions[i].basis))] = named[kind]
    return names


if __name__ == "__main__":
    from gnome_lite.generate.wyckoff import TABLE

    TABLE.write_text("\n".join(map(table_line, range(1, 231))) + "\n", encoding="utf-8")
