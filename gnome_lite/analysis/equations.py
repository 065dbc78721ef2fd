"""Balanced chemical equations in whole numbers, counted again element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z

MAX_COEFFICIENT = 10_000

Side = tuple[tuple[str, int], ...]
"""(formula, coefficient) of one side of an equation; each formula once, each coefficient positive."""


@dataclass(frozen=True, slots=True)
class Equation:
    """A balanced reaction, in the smallest whole numbers. `str` gives e.g. "2 Li2S + O2 -> 2 Li2O + 2 S"."""

    reactants: Side
    products: Side

    def __str__(self) -> str:
        sides = (" + ".join(f if n == 1 else f"{n} {f}" for f, n in side) for side in (self.reactants, self.products))
        return " -> ".join(sides)

    def coefficient(self, formula: str) -> int:
        """Return the coefficient of a formula: positive if it is made, negative if it is used up, else 0."""
        return dict(self.products).get(formula, 0) - dict(self.reactants).get(formula, 0)


def balanced(reactants: Sequence[str], products: Sequence[str]) -> Equation:
    """Return the one equation that uses up all reactants and makes all products.

    Formulas are counted as they are written, e.g. "O2" for the molecule.

    Raises:
        ValueError: if there is none, or more than one that differ by more than a factor.
    """
    left, right = tuple(dict.fromkeys(reactants)), tuple(dict.fromkeys(products))
    text = f"{' + '.join(left)} -> {' + '.join(right)}"
    if left == right and len(left) == 1:
        return Equation(((left[0], 1),), ((right[0], 1),))  # one polymorph becomes another
    if not left or not right or set(left) & set(right):
        raise ValueError(f"{text} is no reaction")
    signs = np.repeat([-1, 1], [len(left), len(right)])
    atoms = np.array([_atoms(formula) for formula in (*left, *right)]) * signs[:, None]
    if len(atoms) - np.linalg.matrix_rank(atoms) != 1:
        raise ValueError(f"{text} cannot be balanced in one way")
    # The amounts span the null space of the atoms: the last right-singular vector of their transpose.
    amounts = np.linalg.svd(atoms[:, atoms.any(axis=0)].T)[2][-1]
    amounts /= amounts[np.abs(amounts).argmax()]
    shares = [Fraction(float(amount)).limit_denominator(MAX_COEFFICIENT) for amount in amounts]
    scale = math.lcm(*(share.denominator for share in shares))
    whole = [int(share * scale) for share in shares]
    if min(whole) <= 0 or (np.array(whole, dtype=object) @ atoms).any():
        raise ValueError(f"{text} cannot be balanced with everything on its side")
    sides = tuple(zip((*left, *right), whole, strict=True))
    return Equation(sides[: len(left)], sides[len(left) :])


def molecule_size(formula: str) -> int:
    """Return the number of atoms of a formula as it is written: 2 of O2."""
    return int(_atoms(formula).sum())


def fractions_of(formula: str) -> NDArray[np.float64]:
    """Return the atomic fractions of a formula by atomic number, [MAX_Z + 1]."""
    atoms = _atoms(formula)
    return atoms / atoms.sum()


def elements_of(formula: str) -> tuple[int, ...]:
    """Return the atomic numbers of a formula's elements."""
    return tuple(np.flatnonzero(_atoms(formula)).tolist())


def _atoms(formula: str) -> NDArray[np.int64]:
    """Return the atoms of a formula as it is written, not reduced, by atomic number, [MAX_Z + 1]."""
    from pymatgen.core import Composition

    atoms = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, amount in Composition(formula).items():
        atoms[element.Z] = round(amount)
    return atoms
