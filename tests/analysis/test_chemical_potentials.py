"""Ranges of chemical potentials against pymatgen's diagram, and against their own definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.chempot_diagram import ChemicalPotentialDiagram
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.core import Element
from samples.phase_sets import dft_phases, entries_of, phases_of, seed_phases

from gnome_lite.analysis.chemical_potentials import StabilityRange, stability_range
from gnome_lite.analysis.lookup import find_phase
from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.core.phases import PhaseSet

TOLERANCE_EV = 1e-6


def corners_by_pymatgen(phases: PhaseSet, formula: str, system: str) -> list[dict[str, float]]:
    """Corners of a compound's domain, eV; those of pymatgen's artificial outer limit left out."""
    entries = entries_of(phases, system, by_id=False)
    diagram = ChemicalPotentialDiagram(entries, default_min_limit=-60.0, formal_chempots=True)
    points = diagram.domains[formula]
    return [dict(zip([e.symbol for e in diagram.elements], p, strict=True)) for p in points if p.min() > -59.9]


def same_points(ours: np.ndarray, theirs: np.ndarray) -> bool:
    near = np.abs(ours[:, None] - theirs[None]).max(axis=2) < 1e-5
    return bool(near.any(axis=0).all() and near.any(axis=1).all())


@pytest.mark.parametrize(
    ("formula", "system"),
    [("Fe2O3", "Fe-O"), ("Li2O", "Li-O"), ("LiFeO2", "Fe-Li-O"), ("FePO4", "Fe-O-P"), ("Li3PO4", "Li-O-P"),
     ("LiFePO4", "Fe-Li-O-P"), ("Li5FeO4", "Fe-Li-O")],
)  # fmt: skip
def test_corners_are_pymatgens_on_dft_entries(formula: str, system: str) -> None:
    phases = dft_phases()
    ours = stability_range(phases, find_phase(phases, formula))
    if ours is None:
        diagram = PhaseDiagram(entries_of(phases, system))
        entry = next(e for e in diagram.all_entries if e.name == phases.ids[find_phase(phases, formula)])
        assert diagram.get_e_above_hull(entry) > TOLERANCE_EV
        return
    theirs = corners_by_pymatgen(phases, formula, system)
    assert same_points(ours.corners, np.array([[p[e] for e in ours.elements] for p in theirs]))
    for k, element in enumerate(ours.elements):
        assert ours.lowest_ev[k] == pytest.approx(min(p[element] for p in theirs), abs=TOLERANCE_EV)
        assert ours.highest_ev[k] == pytest.approx(max(p[element] for p in theirs), abs=TOLERANCE_EV)


def test_a_two_dimensional_map_is_pymatgens() -> None:
    """`get_chempot_range_map` gives the same corners as facets of the hull."""
    phases = seed_phases()
    i = find_phase(phases, "CaTiO3")
    entries = entries_of(phases, "Ca-O-Ti")
    diagram = PhaseDiagram(entries)
    elements = [Element("Ca"), Element("Ti")]
    map_ = diagram.get_chempot_range_map(elements)
    (entry,) = [e for e in map_ if e.name == phases.ids[i]]
    theirs = np.array([[c[0], c[1]] for simplex in map_[entry] for c in simplex.coords])
    ours = stability_range(phases, i)
    assert ours is not None
    columns = [ours.elements.index(e.symbol) for e in elements]
    for column in range(2):
        values = ours.corners[:, columns[column]]
        assert values.min() == pytest.approx(theirs[:, column].min(), abs=1e-5)
        assert values.max() == pytest.approx(theirs[:, column].max(), abs=1e-5)


def violation(phases: PhaseSet, i: int, range_: StabilityRange) -> float:
    """By how much any corner breaks any condition, eV/atom."""
    z = [atomic_number(e) for e in range_.elements]
    inside = phases.counts.sum(axis=1) == phases.counts[:, z].sum(axis=1)
    fractions = phases.fractions[:, z]
    values = range_.corners @ fractions.T
    own = np.abs(values[:, i] - phases.e_form_ev_per_atom[i]).max()
    others = (values - phases.e_form_ev_per_atom)[:, inside].max()
    return float(max(own, others))


compounds = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={e: st.integers(1, 3) for e in ("Li", "Fe", "O", "P")}).filter(
            lambda c: len(c) > 1
        ),
        st.floats(-3.0, 0.2),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(compounds)
def test_there_is_a_range_just_where_a_crystal_is_on_the_hull(found: list[tuple[dict[str, int], float]]) -> None:
    phases = phases_of([({e: 1}, 0.0) for e in ("Li", "Fe", "O", "P")] + found)
    diagram = PhaseDiagram(entries_of(phases))
    entry = next(e for e in diagram.all_entries if e.name == "e004")
    above = diagram.get_e_above_hull(entry)
    range_ = stability_range(phases, 4)
    if above > 1e-6:
        assert range_ is None
    elif above < 1e-12 and range_ is not None:
        assert violation(phases, 4, range_) < 1e-6
        assert (range_.lowest_ev <= range_.highest_ev + 1e-9).all()
    else:
        assert above > -1e-9


def test_an_element_and_a_flat_region() -> None:
    elements: list[tuple[dict[str, int], float]] = [({"Li": 1}, 0.0), ({"O": 1}, 0.0)]
    phases = phases_of([*elements, ({"Li": 2, "O": 1}, 0.0)])
    point = stability_range(phases, 2)  # on the line between the elements: stable where both are
    assert point is not None
    assert point.corners == pytest.approx(np.zeros((1, 2)), abs=1e-6)
    only = stability_range(phases, 0)
    assert only is not None
    assert only.corners.tolist() == [[0.0]]


def test_polymorphs_above_the_lowest_have_none() -> None:
    phases = phases_of([({"Li": 1}, 0.0), ({"O": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 4, "O": 2}, -1.9)])
    assert stability_range(phases, 3) is None
    assert stability_range(phases, 2) is not None


def test_a_missing_element_is_named() -> None:
    phases = phases_of([({"Li": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0)])
    with pytest.raises(MissingReferenceError, match="pure O"):
        stability_range(phases, 1)
