"""Crystals as flat arrays: one crystal (`Crystal`) or very many (`CrystalBatch`).

A million candidates travel as four arrays; pymatgen and ASE objects are made only for the few
that survive. Lattice vectors are the *rows* of a lattice, in Å, as in pymatgen and ASE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any, SupportsInt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.ragged import as_indices, rows_at

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

MAX_Z = 118
MAX_FORMULA_CHARS, MAX_AMOUNT = 200, 100_000
"""Of a formula that is read: characters, and atoms of one element."""


@dataclass(frozen=True, slots=True, eq=False)
class Crystal:
    """One crystal.

    Attributes:
        numbers: atomic numbers, int64 [n_atoms].
        frac_coords: fractional coordinates, float64 [n_atoms, 3].
        lattice: lattice vectors as rows, Å, float64 [3, 3].
    """

    numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    lattice: NDArray[np.float64]

    @classmethod
    def make(cls, numbers: ArrayLike, frac_coords: ArrayLike, lattice: ArrayLike) -> Crystal:
        """Return a crystal with checked shapes and float64 and int64 arrays.

        Raises:
            ValueError: if shapes disagree, an atomic number is unknown or a number is not finite.
        """
        z = np.ascontiguousarray(numbers, dtype=np.int64)
        x = np.ascontiguousarray(frac_coords, dtype=np.float64).reshape(-1, 3)
        cell = np.ascontiguousarray(lattice, dtype=np.float64)
        if z.ndim != 1 or x.shape != (len(z), 3) or cell.shape != (3, 3):
            raise ValueError(f"crystal of {z.shape} numbers, {x.shape} coordinates, {cell.shape} lattice")
        if len(z) == 0 or z.min() < 1 or z.max() > MAX_Z:
            raise ValueError(f"atomic numbers must lie in 1..{MAX_Z} and be at least one")
        if not (np.isfinite(x).all() and np.isfinite(cell).all()):
            raise ValueError("coordinates or lattice are not finite")
        return cls(z, x, cell)

    @classmethod
    def from_pymatgen(cls, structure: Structure) -> Crystal:
        """Return the crystal of an ordered pymatgen `Structure`; oxidation states are dropped.

        Raises:
            ValueError: if the structure is disordered.
        """
        if not structure.is_ordered:
            raise ValueError(f"{structure.composition.reduced_formula} is disordered (partial occupancies)")
        return cls.make(structure.atomic_numbers, structure.frac_coords, structure.lattice.matrix)

    @classmethod
    def from_ase(cls, atoms: Atoms) -> Crystal:
        """Return the crystal of a periodic ASE `Atoms`."""
        return cls.make(atoms.numbers, atoms.get_scaled_positions(wrap=False), atoms.cell.array)

    def as_lists(self) -> dict[str, list[Any]]:
        """Return plain lists for JSON; `Crystal.make(**lists)` is its inverse."""
        return {
            "numbers": self.numbers.tolist(),
            "frac_coords": self.frac_coords.tolist(),
            "lattice": self.lattice.tolist(),
        }

    def to_pymatgen(self) -> Structure:
        from pymatgen.core import Lattice, Structure

        return Structure(Lattice(self.lattice), self.numbers.tolist(), self.frac_coords)

    def to_ase(self) -> Atoms:
        from ase import Atoms

        return Atoms(numbers=self.numbers, scaled_positions=self.frac_coords, cell=self.lattice, pbc=True)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def volume(self) -> float:
        """Cell volume, Å^3."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def cart_coords(self) -> NDArray[np.float64]:
        """Cartesian coordinates, Å, [n_atoms, 3]."""
        return self.frac_coords @ self.lattice

    @property
    def counts(self) -> NDArray[np.int64]:
        """Atoms of each atomic number, int64 [MAX_Z + 1] (index = Z)."""
        return np.bincount(self.numbers, minlength=MAX_Z + 1)

    @property
    def reduced_formula(self) -> str:
        """Reduced formula as pymatgen writes it, e.g. "LiFePO4"."""
        return reduced_formula(self.counts)

    @property
    def chemical_system(self) -> str:
        """Element symbols in alphabetical order joined by "-", e.g. "Fe-Li-O-P"."""
        return chemical_system(self.numbers)

    @property
    def content_id(self) -> str:
        """64-bit content hash, "gl-" + 16 hex digits: equal numbers to 1e-4 give equal ids.

        Site order and the choice of cell are part of the content; whether two cells describe the
        same crystal is `novelty`'s question, not this one's.
        """
        (found,) = _content_ids(self.numbers, self.frac_coords, self.lattice[None], [0, len(self)])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class CrystalBatch:
    """Many crystals as flat arrays.

    Attributes:
        numbers: atomic numbers of all atoms, int64 [n_atoms].
        frac_coords: fractional coordinates, float64 [n_atoms, 3].
        lattices: lattice vectors as rows, Å, float64 [n, 3, 3].
        offsets: crystal i owns atoms offsets[i]:offsets[i + 1], int64 [n + 1].
    """

    numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    lattices: NDArray[np.float64]
    offsets: NDArray[np.int64]

    @classmethod
    def empty(cls) -> CrystalBatch:
        return cls(np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3, 3)), np.zeros(1, np.int64))

    @classmethod
    def from_crystals(cls, crystals: Iterable[Crystal]) -> CrystalBatch:
        crystals = list(crystals)
        if not crystals:
            return cls.empty()
        return cls(
            np.concatenate([c.numbers for c in crystals]),
            np.concatenate([c.frac_coords for c in crystals]),
            np.stack([c.lattice for c in crystals]),
            np.concatenate([[0], np.cumsum([len(c) for c in crystals])]).astype(np.int64),
        )

    @classmethod
    def concatenate(cls, batches: Sequence[CrystalBatch]) -> CrystalBatch:
        batches = [b for b in batches if len(b)]
        if not batches:
            return cls.empty()
        starts = np.cumsum([0] + [len(b.numbers) for b in batches])
        return cls(
            np.concatenate([b.numbers for b in batches]),
            np.concatenate([b.frac_coords for b in batches]),
            np.concatenate([b.lattices for b in batches]),
            np.concatenate([[0]] + [b.offsets[1:] + start for b, start in zip(batches, starts[:-1], strict=True)]),
        )

    def __len__(self) -> int:
        return len(self.lattices)

    def __getitem__(self, index: int) -> Crystal:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        atoms = slice(self.offsets[index], self.offsets[index + 1])
        return Crystal(self.numbers[atoms], self.frac_coords[atoms], self.lattices[index])

    def __iter__(self) -> Iterator[Crystal]:
        return (self[i] for i in range(len(self)))

    def take(self, which: ArrayLike) -> CrystalBatch:
        """Return the crystals at integer indices, or where a boolean mask [n] is true, in that order."""
        index = as_indices(which)
        atoms = rows_at(index, self.n_atoms)
        offsets = np.concatenate([[0], np.cumsum(self.n_atoms[index])]).astype(np.int64)
        return CrystalBatch(self.numbers[atoms], self.frac_coords[atoms], self.lattices[index], offsets)

    def within(self, elements: Iterable[str]) -> NDArray[np.bool_]:
        """Return which crystals have no element but these symbols, [n]."""
        others = np.ones(MAX_Z + 1, dtype=bool)
        others[[atomic_number(e) for e in elements]] = False
        return np.asarray(self.counts[:, others].sum(axis=1) == 0)

    def scaled(self, factors: ArrayLike) -> CrystalBatch:
        """Return the crystals with each *volume* multiplied by its factor [n] (or one for all), fractions kept."""
        linear = np.cbrt(np.broadcast_to(np.asarray(factors, dtype=np.float64), (len(self),)))
        return CrystalBatch(self.numbers, self.frac_coords, self.lattices * linear[:, None, None], self.offsets)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Atoms in each crystal, int64 [n]."""
        return np.diff(self.offsets)

    @property
    def crystal_of_atom(self) -> NDArray[np.int64]:
        """Index of the crystal that owns each atom, int64 [n_atoms]."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    @property
    def volumes(self) -> NDArray[np.float64]:
        """Cell volumes, Å^3, [n]."""
        return np.abs(np.linalg.det(self.lattices)) if len(self) else np.empty(0)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Atoms of each atomic number in each crystal, int64 [n, MAX_Z + 1] (column = Z)."""
        width = MAX_Z + 1
        flat = np.bincount(self.crystal_of_atom * width + self.numbers, minlength=len(self) * width)
        return flat.reshape(len(self), width)

    @property
    def content_ids(self) -> list[str]:
        """`Crystal.content_id` of each crystal, [n]; rounded all at once."""
        return _content_ids(self.numbers, self.frac_coords, self.lattices, self.offsets.tolist())

    def reduced_formulas(self) -> list[str]:
        """Return the reduced formulas as pymatgen writes them, [n]; each distinct composition is worked out once."""
        unique, inverse = np.unique(self.counts, axis=0, return_inverse=True)
        names = [reduced_formula(row) for row in unique]
        return [names[i] for i in inverse.ravel()]


def _content_ids(
    numbers: NDArray[np.int64], frac_coords: NDArray[np.float64], lattices: NDArray[np.float64], offsets: Sequence[int]
) -> list[str]:
    atoms = numbers.astype("<i2").tobytes()
    # +0.0 turns -0.0 into 0.0, so that the two signs of zero hash alike.
    coords = (np.round(frac_coords % 1.0, 4) % 1.0 + 0.0).astype("<f8").tobytes()
    cells = (np.round(lattices, 4) + 0.0).astype("<f8").tobytes()
    found = []
    for i, (first, last) in enumerate(pairwise(offsets)):
        content = atoms[2 * first : 2 * last] + coords[24 * first : 24 * last] + cells[72 * i : 72 * (i + 1)]
        found.append(f"gl-{blake2b(content, digest_size=8).hexdigest()}")
    return found


def symbol(number: SupportsInt) -> str:
    """Return the element symbol of an atomic number."""
    from ase.data import chemical_symbols

    return str(chemical_symbols[int(number)])


def atomic_number(element: str) -> int:
    """Return the atomic number of an element symbol.

    Raises:
        ValueError: if there is no such element.
    """
    from ase.data import atomic_numbers

    if element not in atomic_numbers or element == "X":
        raise ValueError(f"there is no element {element!r}: use symbols such as Li, Fe, O")
    return int(atomic_numbers[element])


def chemical_system(numbers: ArrayLike) -> str:
    """Return the element symbols of some atomic numbers in alphabetical order joined by "-"."""
    return "-".join(sorted(symbol(z) for z in np.unique(np.asarray(numbers))))


def reduced_formula(counts: NDArray[np.int64]) -> str:
    """Return the reduced formula, as pymatgen writes it, of atom counts by atomic number [MAX_Z + 1]."""
    return _formula_of(tuple((int(z), int(counts[z])) for z in np.flatnonzero(counts)))


@lru_cache(maxsize=1 << 16)
def _formula_of(amounts: tuple[tuple[int, int], ...]) -> str:
    """Return a formula, kept in a cache: a campaign asks for the same ones in every step."""
    from pymatgen.core import Composition

    return str(Composition({symbol(z): n for z, n in amounts}).reduced_formula)


def atomic_fractions(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of each element among the atoms, [n, m], of atom counts [n, m]; of none 0."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def formula_counts(formula: str) -> NDArray[np.int64]:
    """Return the atoms of one formula unit by atomic number, int64 [MAX_Z + 1].

    Raises:
        ValueError: if it is no formula with whole numbers of known elements.
    """
    from pymatgen.core import Composition

    if len(formula) > MAX_FORMULA_CHARS:
        raise ValueError(f"it has more than {MAX_FORMULA_CHARS} characters")
    try:
        amounts = Composition(formula).get_el_amt_dict()
    except Exception as error:  # its parser raises many kinds
        raise ValueError(str(error)) from error
    counts = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, amount in amounts.items():
        if not 0 <= amount <= MAX_AMOUNT:
            raise ValueError(f"{amount:g} of {element} is more than {MAX_AMOUNT} atoms")
        if amount != round(amount):
            raise ValueError(f"{amount:g} of {element} is no whole number")
        counts[atomic_number(element)] = round(amount)
    if not counts.any():
        raise ValueError("it is empty")
    return counts // np.gcd.reduce(counts)
