"""Prototypes: the same label for the same structure type, whichever elements are in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.prototypes import get_prototype_formula_from_composition, get_prototype_from_protostructure
from pymatgen.core import Composition

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number, symbol
from gnome_lite.novelty.fingerprint import fingerprints
from gnome_lite.novelty.prototype import parse


def label(crystal: Crystal) -> str:
    return parse(fingerprints(CrystalBatch.from_crystals([crystal]))[0]).label


def pymatgens(fingerprint: str) -> str:
    formula, _, wyckoffs = fingerprint.partition("|")
    composition = Composition(formula)
    system = "-".join(sorted(e.symbol for e in composition))
    return get_prototype_from_protostructure(
        f"{get_prototype_formula_from_composition(composition)}_{wyckoffs}:{system}"
    )


def test_elements_do_not_matter(types) -> None:
    rock_salts = [("Na", "Cl"), ("K", "Br"), ("Li", "F"), ("Mg", "O")]
    assert {label(types.rock_salt(*pair)) for pair in rock_salts} == {"AB_cF8_225_a_b"}
    # Either of A and B may come first in the alphabet.
    assert {label(types.perovskite(*e)) for e in (("Sr", "Ti"), ("Ba", "Zr"), ("Cs", "Pb", "I"))} == {
        "ABC3_cP5_221_a_b_c"
    }
    assert label(types.fluorite("Ca", "F")) == label(types.fluorite("O", "Li")) == "AB2_cF12_225_a_c"
    assert label(types.zinc_blende()) == "AB_cF8_216_a_c"


def test_is_pymatgens_on_the_whole_aflow_library() -> None:
    from gnome_lite.sources.aflow import library

    prints = fingerprints(CrystalBatch.from_crystals(p.crystal for p in library()))
    labelled = [p for p in prints if not p.endswith("|")]
    assert len(labelled) > 280
    assert [parse(p).label for p in labelled] == [pymatgens(p) for p in labelled]


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_is_pymatgens_on_the_seed(every: int) -> None:
    from gnome_lite.assemble import load_references

    prints = sorted(set(load_references().fingerprints))[::every]
    assert len(prints) > 1000
    assert {p: parse(p).label for p in prints} == {p: pymatgens(p) for p in prints}


@settings(max_examples=30, deadline=None)
@given(which=st.integers(0, 2608), seed=st.integers(0, 10**6))
def test_relabelled_elements_keep_the_prototype_and_trade_roles(
    seed_crystals: CrystalBatch, helpers, which: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    crystal = seed_crystals[which]
    old = np.unique(crystal.numbers)
    new = rng.choice([3, 5, 8, 13, 17, 22, 30, 38, 47, 56], len(old), replace=False)
    table = dict(zip(old.tolist(), new.tolist(), strict=True))
    other = helpers["other"](
        Crystal(np.array([table[z] for z in crystal.numbers]), crystal.frac_coords, crystal.lattice), rng
    )
    before, after = (parse(p) for p in fingerprints(CrystalBatch.from_crystals([crystal, other])))
    assert before.label == after.label
    assert set(after.roles) == {tuple(table[z] for z in order) for order in before.roles}


def test_roles_tell_which_element_stands_where(types) -> None:
    rock_salt = parse("NaCl|cF8_225_a_b")
    assert {tuple(symbol(z) for z in order) for order in rock_salt.roles} == {("Na", "Cl"), ("Cl", "Na")}
    (order,) = parse(fingerprints(CrystalBatch.from_crystals([types.fluorite()]))[0]).roles
    assert order == (atomic_number("Ca"), atomic_number("F"))


def test_no_symmetry_no_prototype() -> None:
    assert parse("NaCl2|").label == ""
    assert parse("NaCl2|").roles == ()
