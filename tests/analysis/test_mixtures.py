"""The lowest mixture of a composition, against pymatgen's hull and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from gnome_lite.analysis.mixtures import lowest_mixture
from gnome_lite.core.errors import GnomeLiteError

TOLERANCE_EV_PER_ATOM = 1e-8
LI_O = np.array([[1, 0], [0, 1], [2 / 3, 1 / 3]])


def test_li2o_and_oxygen_make_lithium_peroxide() -> None:
    energy, amounts = lowest_mixture(LI_O, np.array([0.0, 0.0, -2.0]), np.array([0.5, 0.5]))
    assert energy == pytest.approx(-1.5)
    assert amounts == pytest.approx([0.0, 0.25, 0.75])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.floats(-2, 1)), max_size=6), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_as_pymatgen(compounds: list[tuple[int, int, float]], x: float) -> None:
    fractions = np.array([[1, 0], [0, 1], *([a / (a + b), b / (a + b)] for a, b, _ in compounds)])
    energies = np.array([0.0, 0.0, *(e for *_, e in compounds)])
    phases = [(1, 0, 0.0), (0, 1, 0.0), *compounds]
    entries = [PDEntry(Composition({"Li": a, "O": b}), e * (a + b)) for a, b, e in phases]
    theirs = PhaseDiagram(entries).get_hull_energy_per_atom(Composition({"Li": x, "O": 1 - x}))
    ours, amounts = lowest_mixture(fractions, energies, np.array([x, 1 - x]))
    assert ours == pytest.approx(theirs, abs=TOLERANCE_EV_PER_ATOM)
    assert amounts @ fractions == pytest.approx([x, 1 - x], abs=1e-8)


def test_a_reservoir_takes_from_the_others() -> None:
    peroxide = np.array([[0.5, 0.5], [2 / 3, 1 / 3], [0, 1]])
    energy, amounts = lowest_mixture(peroxide, np.array([-1.0, -2.0, 0.0]), np.array([0.5, 0.5]), (None, None))
    assert (energy, amounts[0]) == (pytest.approx(-1.5), 0.0)


def test_what_nothing_makes_has_no_energy() -> None:
    assert lowest_mixture(np.array([[1.0, 0.0]]), np.zeros(1), np.array([0.0, 1.0]))[0] == np.inf
    assert lowest_mixture(np.empty((0, 2)), np.zeros(0), np.array([0.0, 1.0]))[0] == np.inf


def test_an_unstable_gas_is_no_reservoir() -> None:
    with pytest.raises(GnomeLiteError, match="no reservoir"):
        lowest_mixture(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([-1.0, 0.0]), np.array([0.0, 1.0]), (None, None))
