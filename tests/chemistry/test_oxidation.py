"""Formal charges against textbook chemistry and against pymatgen's independent guess."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.core import Composition, Lattice
from samples.groups import from_spacegroup

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.chemistry.oxidation import cause_of_no_states, mean_charges, oxidation_states
from gnome_lite.core.crystals import MAX_Z, Crystal, atomic_number


def counts(formula: str) -> NDArray[np.int64]:
    row = np.zeros(MAX_Z + 1, dtype=np.int64)
    for element, n in Composition(formula).get_el_amt_dict().items():
        row[atomic_number(element)] = int(n)
    return row


@lru_cache
def spinel(a: str, b: str) -> Crystal:
    cell = Lattice.cubic(8.4)
    sites = [[0] * 3, [5 / 8] * 3, [0.3875] * 3]
    conventional = from_spacegroup("Fd-3m", cell, ["Zn", "Al", "O"], sites)
    primitive = conventional.get_primitive_structure()
    # Replaced only now, so that the order of sites does not depend on the elements.
    return Crystal.from_pymatgen(primitive.replace_species({"Zn": a, "Al": b}, in_place=False))


NEUTRAL = [
    "Fe3O4", "LiFePO4", "NaCl", "Li2O", "TiN", "K2O2", "BaTiO3", "KNO3", "CuFeS2", "UO2", "Pb3O4", "NaClO3",
    "Mg2Si", "GaAs", "FeS2", "LiMn2O4", "Ti4O7", "Al4C3", "NH3", "Ca5P3O13H", "Fe", "O2",
]  # fmt: skip
CHARGED = ["NaCl5", "Na3Cl", "LiO3", "TiAl", "LaNi5", "FeSi", "NaCl2", "MgO2F", "KF2", "Li3O2"]


@pytest.mark.parametrize("formula", NEUTRAL)
def test_compounds_that_exist_are_balanced(formula: str) -> None:
    assert charge_balanced(counts(formula)[None]).tolist() == [True]


@pytest.mark.parametrize("formula", CHARGED)
def test_absurd_or_metallic_formulas_are_not_balanced(formula: str) -> None:
    assert charge_balanced(counts(formula)[None]).tolist() == [False]


def test_balance_is_worked_out_row_by_row_and_for_no_rows() -> None:
    rows = np.stack([counts(f) for f in [*NEUTRAL, *CHARGED, *NEUTRAL]])
    expected = [True] * len(NEUTRAL) + [False] * len(CHARGED) + [True] * len(NEUTRAL)
    assert charge_balanced(rows).tolist() == expected
    assert charge_balanced(rows[:0]).shape == (0,)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(NEUTRAL + CHARGED), st.integers(1, 12))
def test_balance_does_not_depend_on_formula_units(formula: str, units: int) -> None:
    row = counts(formula)[None]
    assert charge_balanced(row * units).tolist() == charge_balanced(row).tolist()


@pytest.mark.parametrize(
    "formula",
    ["NaCl", "Fe2O3", "LiFePO4", "BaTiO3", "CaCO3", "KNO3", "MgAl2O4", "CuFeS2", "TiO2", "Li2MnO3", "ZnS", "LiCoO2",
     "Na2SO4", "Sr2FeMoO6", "Fe3O4", "Mn3O4", "Ca3N2", "SnO", "V2O5", "La2CuO4", "Bi2Te3"],
)  # fmt: skip
def test_charges_agree_with_pymatgens_guess(formula: str) -> None:
    charges = mean_charges(counts(formula))
    assert charges is not None
    guess = Composition(formula).oxi_state_guesses()[0]
    ours = {e: charges[atomic_number(e)] for e in guess}
    assert ours == pytest.approx(guess, abs=1e-9)


def test_pyrite_is_a_disulfide() -> None:
    charges = mean_charges(counts("FeS2"))
    assert charges is not None
    assert charges[[26, 16]].tolist() == [2, -1]


def test_sites_of_a_spinel_with_mixed_valence_carry_whole_charges() -> None:
    magnetite = spinel("Fe", "Fe")
    charges = oxidation_states(magnetite)
    assert charges is not None
    assert charges.sum() == 0
    iron = charges[magnetite.numbers == 26]
    assert sorted(iron.tolist()) == [2, 2, 3, 3, 3, 3]
    # Two tetrahedral and four octahedral sites: each orbit has one state.
    octahedral = spinel("Zn", "Al").numbers == atomic_number("Al")
    assert set(charges[octahedral].tolist()) == {3}


def test_mixed_valence_on_one_orbit_has_no_sites_and_a_cause() -> None:
    crystal = spinel("Li", "Mn")
    assert oxidation_states(crystal) is None
    assert cause_of_no_states(crystal) == "mixed valence on equivalent sites"


def test_an_alloy_has_no_states_and_a_cause() -> None:
    alloy = Crystal.make([22, 13], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 3.2)
    assert oxidation_states(alloy) is None
    assert cause_of_no_states(alloy) == "no neutral oxidation states"
    assert cause_of_no_states(spinel("Mg", "Al")) == ""


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(14)), st.booleans())
def test_charges_follow_the_sites(order: list[int], double: bool) -> None:
    magnetite = spinel("Fe", "Fe")
    whole = oxidation_states(magnetite)
    assert whole is not None
    shuffled = Crystal(magnetite.numbers[order], magnetite.frac_coords[order], magnetite.lattice)
    if double:
        frac = np.concatenate([shuffled.frac_coords, shuffled.frac_coords + np.array([1, 0, 0])]) / [2, 1, 1]
        shuffled = Crystal.make(np.tile(shuffled.numbers, 2), frac, shuffled.lattice * np.array([[2], [1], [1]]))
    charges = oxidation_states(shuffled)
    assert charges is not None
    assert charges.tolist() == np.tile(whole[order], 2 if double else 1).tolist()
