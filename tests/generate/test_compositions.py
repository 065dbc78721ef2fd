"""Formulas of a space: balanced, each once, simple ones first; ratios counted by brute force."""

from __future__ import annotations

from itertools import product
from math import comb, gcd

import numpy as np
import pytest

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.config import Space
from gnome_lite.core.crystals import formula_counts
from gnome_lite.generate.compositions import Compositions, random_systems, ratios

SPACE = Space(elements=("Li", "Na", "Fe", "Si", "O", "S"), min_elements=2, max_elements=3)


def everything(seed: int = 0, **options: object) -> np.ndarray:
    return np.concatenate(list(Compositions(SPACE, 19, **options)(np.random.default_rng(seed))))


@pytest.mark.parametrize(("k", "most"), [(1, 5), (2, 9), (3, 8), (4, 7), (5, 4)])
def test_ratios_are_all_there_are(k: int, most: int) -> None:
    by_hand = {r for r in product(range(1, most + 1), repeat=k) if sum(r) <= most and gcd(*r) == 1}
    found = ratios(k, most)
    assert {tuple(r) for r in found.tolist()} == by_hand
    assert len(found) == len(by_hand)


def test_every_formula_of_every_system_comes_once_and_is_balanced() -> None:
    for relaxed in (False, True):
        found = everything(relaxed=relaxed, per_system=None)
        assert len(np.unique(found, axis=0)) == len(found)
        assert charge_balanced(found, relaxed).all()
        for k in (2, 3):
            of_k = int(((found > 0).sum(axis=1) == k).sum())
            table = ratios(k, 19)
            expected = 0
            for system in random_systems(SPACE, np.random.default_rng(1)):
                if len(system) == k:
                    rows = np.zeros((len(table), found.shape[1]), dtype=np.int64)
                    rows[:, list(system)] = table
                    expected += int(charge_balanced(rows, relaxed).sum())
            assert of_k == expected


@pytest.mark.parametrize("formula", ["Li2O", "Fe3O4", "Li2FeO2", "Na2SiO3"])
def test_compounds_that_exist_are_among_them(formula: str) -> None:
    assert (everything(relaxed=False, per_system=None) == formula_counts(formula)).all(axis=1).any()


def test_li15si4_needs_the_relaxed_rule() -> None:
    wanted = formula_counts("Li15Si4")
    assert (everything(relaxed=True, per_system=None) == wanted).all(axis=1).any()
    assert not (everything(relaxed=False, per_system=None) == wanted).all(axis=1).any()


def test_the_same_seed_gives_the_same_stream_and_simple_formulas_lead() -> None:
    a, b, c = everything(3), everything(3), everything(4)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert a.sum(axis=1).mean() < everything(3, per_system=None).sum(axis=1).mean()


def test_systems_come_once_each_number_of_elements_as_often() -> None:
    found = list(random_systems(SPACE, np.random.default_rng(0)))
    assert len(set(found)) == len(found) == comb(6, 2) + comb(6, 3)
    assert {len(s) for s in found[:10:2]} != {len(s) for s in found[1:10:2]}


def test_systems_that_are_named_are_the_only_ones() -> None:
    space = Space(chemical_systems=("Li-Fe-O", "Na-O"), min_elements=2, max_elements=3)
    found = {tuple(s) for s in random_systems(space, np.random.default_rng(0))}
    assert found == {(3, 8), (3, 26), (8, 26), (8, 11), (3, 8, 26)}


def test_systems_of_a_space_too_large_to_list_are_drawn_without_repeats() -> None:
    from itertools import islice

    from gnome_lite.core.crystals import symbol

    space = Space(elements=tuple(symbol(z) for z in range(1, 84)), min_elements=5, max_elements=5)
    drawn = list(islice(random_systems(space, np.random.default_rng(0)), 2000))
    assert len(set(drawn)) == 2000
    assert all(list(s) == sorted(set(s)) and len(s) == 5 for s in drawn)
