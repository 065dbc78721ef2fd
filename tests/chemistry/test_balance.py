"""Charge balance against a brute-force sum over states, and against SMACT's own validity check."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.chemistry.balance import charge_balanced, is_alloy
from gnome_lite.chemistry.charge_grid import ANIONS
from gnome_lite.chemistry.states import smact_states
from gnome_lite.core.crystals import atomic_number, formula_counts, symbol

ELEMENTS = ("Li", "Na", "Mg", "Al", "Si", "Fe", "Cu", "La", "P", "S", "O", "Cl", "N")


def rows(*formulas: str) -> np.ndarray:
    return np.stack([formula_counts(f) for f in formulas])


def test_the_relaxed_rule_admits_what_charges_of_the_textbook_do_not() -> None:
    formulas = ("Li15Si4", "Fe3O4", "LiFePO4", "NaCl", "NaCl5")
    assert charge_balanced(rows(*formulas), relaxed=True).tolist() == [True] * 5
    assert charge_balanced(rows(*formulas)).tolist() == [False, True, True, True, False]


def by_hand(formula: str) -> bool:
    """The relaxed rule, spelt out: some elements at one state each, at most two anywhere between theirs."""
    counts = formula_counts(formula)
    elements = np.flatnonzero(counts).tolist()
    states = [set(smact_states(z)) | (set() if symbol(z) in ANIONS else {0}) for z in elements]
    for n_free in range(3):
        for free in combinations(range(len(elements)), n_free):
            ranges = [
                [(min(s), max(s))] if i in free and len(s) > 1 else [(q, q) for q in s] for i, s in enumerate(states)
            ]
            for choice in product(*ranges):
                low = sum(counts[z] * a for z, (a, _) in zip(elements, choice, strict=True))
                high = sum(counts[z] * b for z, (_, b) in zip(elements, choice, strict=True))
                if low <= 0 <= high and any(a < 0 for a, _ in choice) and any(b > 0 for _, b in choice):
                    return True
    return False


FORMULAS = st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 6), min_size=2, max_size=4)


@settings(max_examples=150, deadline=None)
@given(FORMULAS)
def test_the_relaxed_rule_is_the_one_spelt_out(amounts: dict[str, int]) -> None:
    formula = "".join(f"{e}{n}" for e, n in amounts.items())
    assert charge_balanced(rows(formula), relaxed=True)[0] == by_hand(formula)


@settings(max_examples=60, deadline=None)
@given(FORMULAS)
def test_what_smact_calls_neutral_the_relaxed_rule_admits(amounts: dict[str, int]) -> None:
    import smact
    from smact import neutral_ratios

    symbols, n = list(amounts), [[v] for v in amounts.values()]
    states = [smact.Element(e).oxidation_states_smact14 for e in symbols]
    neutral = any(
        any(neutral_ratios(choice, stoichs=n)) for choice in product(*states) if min(choice) < 0 < max(choice)
    )
    if neutral:
        assert charge_balanced(rows("".join(f"{e}{v}" for e, v in amounts.items())), relaxed=True)[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(FORMULAS, min_size=2, max_size=6), st.integers(1, 5))
def test_rows_do_not_influence_one_another_nor_does_the_number_of_formula_units(
    many: list[dict[str, int]], units: int
) -> None:
    formulas = ["".join(f"{e}{n}" for e, n in amounts.items()) for amounts in many]
    for relaxed in (False, True):
        together = charge_balanced(rows(*formulas) * units, relaxed)
        assert together.tolist() == [bool(charge_balanced(rows(f), relaxed)[0]) for f in formulas]


def test_no_rows_and_pure_elements() -> None:
    for relaxed in (False, True):
        assert charge_balanced(rows("NaCl")[:0], relaxed).shape == (0,)
        assert charge_balanced(rows("Fe", "O2"), relaxed).tolist() == [True, True]


def test_noble_gases_balance_nothing() -> None:
    assert charge_balanced(rows("XeO3", "HeNa2"), relaxed=True).tolist()[1] is False
    assert smact_states(atomic_number("He")) == ()


@pytest.mark.parametrize(
    ("formula", "alloy"),
    [("TiAl", True), ("LaNi5", True), ("FeSi", True), ("NaCl", False), ("SiC", False), ("SiGe", False)],
)
def test_an_alloy_is_of_metals_with_metalloids_or_without(formula: str, alloy: bool) -> None:
    assert is_alloy(rows(formula))[0] == alloy
