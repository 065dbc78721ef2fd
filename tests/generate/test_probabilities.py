"""Our substitution probabilities against pymatgen's own, and the differences we document."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability
from pymatgen.core import Species

from gnome_lite.core.crystals import symbol
from gnome_lite.generate.probabilities import SubstitutionTable, substitution_table

ROUNDING = 1e-12
PYMATGEN_ALPHA = -5.0


@pytest.fixture(scope="module")
def theirs() -> SubstitutionProbability:
    return SubstitutionProbability(alpha=PYMATGEN_ALPHA)


def species(table: SubstitutionTable, i: int) -> Species:
    return Species(symbol(table.z[i]), int(table.charges[i]))


def test_with_pymatgens_floor_the_conditional_probabilities_are_pymatgens(theirs: SubstitutionProbability) -> None:
    table = substitution_table(PYMATGEN_ALPHA)
    assert {species(table, i) for i in range(len(table.z))} == theirs.species
    for old, new in np.random.default_rng(0).integers(0, len(table.z), (400, 2)):
        expected = theirs.cond_prob(species(table, new), species(table, old))
        assert np.exp(table.log_p[old, new]) == pytest.approx(expected, rel=ROUNDING)


def test_with_gnomes_floor_each_lambda_is_raised_to_it(theirs: SubstitutionProbability) -> None:
    table = substitution_table(0.0)
    names = [species(table, i) for i in range(len(table.z))]
    for old in (0, 57, 111, 200):
        raised = np.array([max(theirs.get_lambda(names[old], s), 0.0) for s in names])
        assert table.log_p[old] == pytest.approx(raised - np.log(np.exp(raised).sum()), abs=ROUNDING)


@pytest.mark.parametrize("floor", [-5.0, 0.0, 2.0])
def test_each_row_is_a_distribution(floor: float) -> None:
    table = substitution_table(floor)
    assert np.exp(table.log_p).sum(axis=1) == pytest.approx(np.ones(len(table.z)), rel=ROUNDING)


def test_chemistry_everyone_expects() -> None:
    table = substitution_table(0.0)

    def p(old: tuple[int, int], new: tuple[int, int]) -> float:
        i, j = table.index(*old), table.index(*new)
        assert i is not None
        assert j is not None
        return float(table.log_p[i, j])

    assert p((11, 1), (19, 1)) > p((11, 1), (3, 1)) > p((11, 1), (29, 1))
    assert p((17, -1), (35, -1)) > p((17, -1), (53, -1)) > p((17, -1), (7, -3))


def test_species_the_table_lacks_have_no_row() -> None:
    assert substitution_table(0.0).index(52, -2) is None
