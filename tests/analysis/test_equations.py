"""Every equation is counted again, by a formula parser of its own."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.analysis.equations import Equation, balanced

FORMULAS = (
    "Li2O", "Fe2O3", "FeO", "LiFeO2", "LiFePO4", "Li3PO4", "FePO4", "P2O5", "O2", "CO2", "H2O", "LiOH", "Li2CO3", "BaO",
    "TiO2", "BaTiO3", "Ba2TiO4", "Fe", "Li", "S", "Li2S", "H2", "C", "FeS2",
)  # fmt: skip


def count(equation: Equation) -> Counter[str]:
    """Atoms made less atoms used, of each element; formulas here have no brackets."""
    total: Counter[str] = Counter()
    for sign, side in ((-1, equation.reactants), (1, equation.products)):
        for formula, n in side:
            for element, amount in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
                total[element] += sign * n * int(amount or 1)
    return Counter({element: n for element, n in total.items() if n})


@pytest.mark.parametrize(
    ("reactants", "products", "text"),
    [
        (["BaO", "TiO2"], ["BaTiO3"], "BaO + TiO2 -> BaTiO3"),
        (["Fe2O3", "Li2O"], ["LiFeO2"], "Fe2O3 + Li2O -> 2 LiFeO2"),
        (["Fe", "O2"], ["Fe2O3"], "4 Fe + 3 O2 -> 2 Fe2O3"),
        (["Li2CO3", "Fe2O3"], ["LiFeO2", "CO2"], "Li2CO3 + Fe2O3 -> 2 LiFeO2 + CO2"),
        (["FeS2", "O2"], ["Fe2O3", "SO2"], "4 FeS2 + 11 O2 -> 2 Fe2O3 + 8 SO2"),
        (["CuSCN", "KIO3", "HCl"], ["CuSO4", "KCl", "HCN", "ICl", "H2O"],
         "4 CuSCN + 7 KIO3 + 14 HCl -> 4 CuSO4 + 7 KCl + 4 HCN + 7 ICl + 5 H2O"),
        (["TiO2"], ["TiO2"], "TiO2 -> TiO2"),
    ],
)  # fmt: skip
def test_known_equations(reactants: list[str], products: list[str], text: str) -> None:
    assert str(balanced(reactants, products)) == text


@pytest.mark.parametrize(
    ("reactants", "products"),
    [
        (["BaO"], ["TiO2"]),
        (["Li2O", "FeO"], ["LiFeO2"]),  # no oxygen to oxidise with
        (["BaO", "TiO2", "CO2"], ["BaTiO3"]),  # CO2 would take no part
        (["BaO", "TiO2"], ["BaTiO3", "TiO2"]),
        ([], ["O2"]),
        (["BaTiO3"], ["BaO", "TiO2", "Ba2TiO4"]),  # more than one
    ],
)
def test_what_cannot_be_balanced_is_refused(reactants: list[str], products: list[str]) -> None:
    with pytest.raises(ValueError, match=r"balanced|no reaction"):
        balanced(reactants, products)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(FORMULAS), min_size=2, max_size=5, unique=True), st.integers(1, 4))
def test_whatever_is_returned_balances_in_the_smallest_numbers(formulas: list[str], n_reactants: int) -> None:
    n = min(n_reactants, len(formulas) - 1)
    try:
        equation = balanced(formulas[:n], formulas[n:])
    except ValueError:
        return  # most random sets are no reaction
    check(equation)
    assert [f for f, _ in equation.reactants] == formulas[:n]


def check(equation: Equation) -> None:
    assert not count(equation)
    coefficients = [c for _, c in (*equation.reactants, *equation.products)]
    assert all(c > 0 for c in coefficients)
    assert math.gcd(*coefficients) == 1


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(("Li", "Fe", "O", "P", "Ba", "S")), st.integers(1, 12), min_size=2))
def test_every_compound_falls_apart_into_its_elements(atoms: dict[str, int]) -> None:
    formula = "".join(f"{e}{n}" for e, n in atoms.items())
    equation = balanced([formula], ["O2" if e == "O" else e for e in atoms])
    check(equation)
    scale = equation.coefficient(formula)
    for element, n in atoms.items():
        made = equation.coefficient("O2") * 2 if element == "O" else equation.coefficient(element)
        assert made == -scale * n


def test_coefficient_is_signed() -> None:
    equation = balanced(["Fe", "O2"], ["Fe2O3"])
    assert [equation.coefficient(f) for f in ("Fe", "O2", "Fe2O3", "Li")] == [-4, -3, 2, 0]
