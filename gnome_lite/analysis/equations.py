"""Balanced chemical equations in whole numbers.

The coefficients are those of pymatgen's `Reaction`; they are made whole and then counted, element by element, so that
no equation leaves this file unbalanced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from gnome_lite.core.crystals import formula_counts

if TYPE_CHECKING:
    from pymatgen.core import Composition

MAX_DENOMINATOR = 10_000

Side = tuple[tuple[str, int], ...]
"""(formula, coefficient) of one side of an equation; each formula once, each coefficient positive."""


@dataclass(frozen=True, slots=True)
class Equation:
    """A balanced reaction, in the smallest whole numbers. `str` gives e.g. "2 Li2S + O2 -> 2 Li2O + 2 S"."""

    reactants: Side
    products: Side

    def __str__(self) -> str:
        return f"{_side(self.reactants)} -> {_side(self.products)}"

    def coefficient(self, formula: str) -> int:
        """Of a formula: positive where it is made, negative where it is used up, 0 where it takes no part."""
        return dict(self.products).get(formula, 0) - dict(self.reactants).get(formula, 0)


def balanced(reactants: Sequence[str], products: Sequence[str]) -> Equation:
    """The one equation that uses up all reactants and makes all products.

    Args:
        reactants, products: formulas as they are to be counted, e.g. "O2" for the molecule.

    Raises:
        ValueError: if there is none, or more than one that differ by more than a factor.
    """
    from pymatgen.analysis.reaction_calculator import Reaction, ReactionError
    from pymatgen.core import Composition

    left, right = tuple(dict.fromkeys(reactants)), tuple(dict.fromkeys(products))
    text = f"{' + '.join(left)} -> {' + '.join(right)}"
    if left == right and len(left) == 1:
        return Equation(((left[0], 1),), ((right[0], 1),))  # one polymorph becomes another
    if not left or not right or set(left) & set(right):
        raise ValueError(f"{text} is no reaction")
    compositions = [Composition(formula) for formula in (*left, *right)]
    elements = sorted({e for c in compositions for e in c.get_el_amt_dict()})
    matrix = np.array([[c[e] for e in elements] for c in compositions])
    if len(compositions) - np.linalg.matrix_rank(matrix) != 1:
        raise ValueError(f"{text} cannot be balanced in one way")
    try:
        found = Reaction(compositions[: len(left)], compositions[len(left) :]).coeffs
    except ReactionError as error:
        raise ValueError(f"{text} cannot be balanced") from error
    shares = [Fraction(abs(float(c))).limit_denominator(MAX_DENOMINATOR) for c in found]
    scale = math.lcm(*(s.denominator for s in shares))
    whole = [int(s * scale) for s in shares]
    whole = [n // (math.gcd(*whole) or 1) for n in whole]
    signed = [int(math.copysign(n, c)) for n, c in zip(whole, found, strict=True)]
    expected = all(n < 0 for n in signed[: len(left)]) and all(n > 0 for n in signed[len(left) :])
    if not expected or not _balances(compositions, signed):
        raise ValueError(f"{text} cannot be balanced with everything on its side")
    n_left = len(left)
    return Equation(tuple(zip(left, whole[:n_left], strict=True)), tuple(zip(right, whole[n_left:], strict=True)))


def molecule_size(formula: str) -> int:
    """Atoms of a formula as it is written: 2 of O2."""
    from pymatgen.core import Composition

    return round(Composition(formula).num_atoms)


def elements_of(formula: str) -> tuple[int, ...]:
    """Atomic numbers of a formula's elements."""
    return tuple(int(z) for z in np.flatnonzero(formula_counts(formula)))


def _balances(compositions: Sequence[Composition], coefficients: Sequence[int]) -> bool:
    """Whether every element's atoms add up to nothing, in whole numbers."""
    total: dict[str, int] = {}
    for composition, n in zip(compositions, coefficients, strict=True):
        for element, amount in composition.get_el_amt_dict().items():
            total[element] = total.get(element, 0) + n * round(amount)
    return not any(total.values())


def _side(side: Side) -> str:
    return " + ".join(formula if n == 1 else f"{n} {formula}" for formula, n in side)
