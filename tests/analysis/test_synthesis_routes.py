"""Precursor sets: known syntheses at the seed's level, and both energies against pymatgen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.analysis.phase_diagram import CompoundPhaseDiagram, PhaseDiagram
from pymatgen.analysis.reaction_calculator import ComputedReaction
from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry
from samples.phase_sets import entries_of, phases_of, seed_phases

from gnome_lite.analysis.equations import molecule_size
from gnome_lite.analysis.gases import gas_of
from gnome_lite.analysis.lookup import find_phase
from gnome_lite.analysis.synthesis_routes import FLUID, Route, Synthesis, synthesis
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.stability.hull import build_hull

TOLERANCE_EV_PER_ATOM = 1e-6


def of(formula: str, **options: object) -> Synthesis:
    phases = seed_phases()
    return synthesis(phases, find_phase(phases, formula), [gas_of(phases, "CO2"), gas_of(phases, "H2O")], **options)  # type: ignore[arg-type]


def by_pymatgen(phases: PhaseSet, route: Route, target: str) -> float:
    """Reaction energy, eV per atom of the target; a gas at its own energy."""

    def entry(formula: str) -> ComputedEntry:
        c = Composition(formula)
        if formula == route.gas:
            molecules = c.num_atoms / molecule_size(formula)
            return ComputedEntry(c, gas_of(phases, formula).energy_ev * molecules)
        return ComputedEntry(c, float(phases.e_form_ev_per_atom[find_phase(phases, formula)]) * c.num_atoms)

    reactants = [entry(f) for f, _ in route.equation.reactants]
    products = [entry(f) for f, _ in route.equation.products]
    reaction = ComputedReaction(reactants, products)
    made = reaction.get_coeff(Composition(target))
    return reaction.calculated_reaction_energy / made / Composition(target).num_atoms


@pytest.mark.parametrize(
    ("target", "textbook"),
    [("CaTiO3", "CaO + TiO2 -> CaTiO3"), ("LiFeO2", "Fe2O3 + Li2O -> 2 LiFeO2"), ("NaTiO2", "Na2O + Ti2O3 -> 2 NaTiO2"),
     ("BaTiO3", "BaO + TiO2 -> BaTiO3"), ("SrTiO3", "SrO + TiO2 -> SrTiO3"),
     ("KMgF3", "KF + MgF2 -> KMgF3"), ("LiAlO2", "Al2O3 + Li2O -> 2 LiAlO2")],
)  # fmt: skip
def test_textbook_syntheses_are_found(target: str, textbook: str) -> None:
    found = of(target)
    routes = [str(r.equation) for r in found.routes]
    assert any(set(r.split()) == set(textbook.split()) for r in routes), routes


def test_barium_titanate_is_rivalled_by_what_is_seen_when_it_is_made() -> None:
    (oxides,) = [r for r in of("BaTiO3").routes if str(r.equation) == "BaO + TiO2 -> BaTiO3"]
    assert oxides.strongest_rival is not None
    assert oxides.strongest_rival[0] == "Ba2TiO4"


def test_lithium_aluminate_comes_first_from_the_oxides() -> None:
    """They are worth more than what their own intermediate gives, and end as deep."""
    best = of("LiAlO2").routes[0]
    assert str(best.equation) == "Al2O3 + Li2O -> 2 LiAlO2"
    assert best.strongest_rival is not None
    assert best.strongest_rival[0] == "Li3AlO3"


@pytest.mark.parametrize("target", ["BaTiO3", "LiFeO2", "NaTiO2", "KMgF3", "Ba2TiO4"])
def test_reaction_energies_are_pymatgens(target: str) -> None:
    phases = seed_phases()
    found = of(target, max_precursors=3, limit=40)
    assert found.routes
    for route in found.routes:
        assert route.energy_ev_per_atom < 0
        expected = by_pymatgen(phases, route, target)
        assert route.energy_ev_per_atom == pytest.approx(expected, abs=TOLERANCE_EV_PER_ATOM)
        total: dict[str, int] = {}
        for sign, side in ((-1, route.equation.reactants), (1, route.equation.products)):
            for formula, n in side:
                for element, amount in Composition(formula).get_el_amt_dict().items():
                    total[element] = total.get(element, 0) + sign * n * round(amount)
        assert not any(total.values())


def test_the_reaction_is_a_kink_of_pymatgens_interface() -> None:
    phases = seed_phases()
    entries = entries_of(phases, "Ca-O-Ti", by_id=False)
    line = InterfacialReactivity(Composition("CaO"), Composition("TiO2"), PhaseDiagram(entries))
    energies = {
        str(reaction): energy
        for _, _, energy, reaction, _ in line.get_kinks()
        if [p.reduced_formula for p in reaction.products] == ["CaTiO3"]
    }
    (best,) = [r for r in of("CaTiO3").routes if str(r.equation) == "CaO + TiO2 -> CaTiO3"]
    assert list(energies.values()) == pytest.approx([best.energy_ev_per_atom], abs=TOLERANCE_EV_PER_ATOM)


@pytest.mark.parametrize(("target", "ends"), [("BaTiO3", ("BaO", "TiO2")), ("LiFeO2", ("Li2O", "Fe2O3"))])
def test_the_inverse_hull_is_that_of_pymatgens_slice(target: str, ends: tuple[str, str]) -> None:
    """The hull of the compounds between two oxides, without the crystal, by `CompoundPhaseDiagram`."""
    phases = seed_phases()
    system = "-".join(sorted({e.symbol for e in Composition(target)}))
    entries = entries_of(phases, system, by_id=False)
    rest = [e for e in entries if e.composition.reduced_formula != target]
    lowest = min((e for e in entries if e not in rest), key=lambda e: e.energy_per_atom)
    without = CompoundPhaseDiagram(rest, [Composition(e) for e in ends])
    line, _ = without.transform_entries([*rest, lowest], [Composition(e) for e in ends])
    (crystal,) = [e for e in line if e.original_entry.composition.reduced_formula == target]
    _, above = without.get_decomp_and_e_above_hull(crystal, allow_negative=True)
    per_atom = above * crystal.composition.num_atoms / crystal.original_entry.composition.num_atoms
    (route,) = [r for r in of(target).routes if {f for f, _ in r.equation.reactants} == set(ends)]
    assert route.inverse_hull_ev_per_atom == pytest.approx(-per_atom, abs=TOLERANCE_EV_PER_ATOM)


def test_the_crystals_own_inverse_hull_is_the_verdicts_where_it_has_no_polymorph() -> None:
    phases, hull = seed_phases(), build_hull(seed_phases())
    single = [i for i, f in enumerate(phases.formulas) if phases.formulas.count(f) == 1 and len(phases.elements(i)) > 1]
    for i in single[:: max(1, len(single) // 15)]:
        (verdict,) = hull.verdicts([phases.ids[i]])
        found = synthesis(phases, i)
        assert found.inverse_hull_ev_per_atom == pytest.approx(-verdict.decomposition_ev_per_atom, abs=1e-6)
        for route in found.routes:
            # A slice holds fewer phases than the whole, so that less lies below the crystal.
            assert route.inverse_hull_ev_per_atom >= found.inverse_hull_ev_per_atom - 1e-6


def test_precursors_are_known_powders() -> None:
    phases = phases_of(
        [
            ({"Li": 1}, 0.0), ({"O": 2}, 0.0), ({"C": 1}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"C": 1, "O": 2}, -1.3),
            ({"Li": 2, "C": 1, "O": 3}, -2.2), ({"Li": 2, "O": 2}, -1.7),
        ],
        known=[True] * 6 + [False],
    )  # fmt: skip
    found = synthesis(phases, find_phase(phases, "Li2CO3"), max_precursors=3, metals=True)
    used = {f for r in found.routes for f, _ in r.equation.reactants}
    assert "Li2O2" not in used  # found here, never made
    assert not used & FLUID
    assert "Li" not in {f for r in synthesis(phases, 5, max_precursors=3).routes for f, _ in r.equation.reactants}


def test_a_gas_is_given_off_or_taken_up_as_allowed() -> None:
    phases = seed_phases()
    carbonate, oxide = find_phase(phases, "CaCO3"), find_phase(phases, "CaO")
    warm = gas_of(phases, "CO2", 1200.0)
    cold = synthesis(phases, oxide, [gas_of(phases, "CO2")])
    burnt = "CaCO3 -> CaO + CO2"  # uphill at 0 K: it is burnt at 1200 K
    assert burnt not in [str(r.equation) for r in cold.routes]
    assert burnt in [str(r.equation) for r in synthesis(phases, oxide, [warm]).routes]
    assert "CaO + CO2 -> CaCO3" in [
        str(r.equation) for r in synthesis(phases, carbonate, taken_up=[gas_of(phases, "CO2")]).routes
    ]


def test_bad_limits_and_elements_are_refused() -> None:
    phases = seed_phases()
    with pytest.raises(ConfigError, match="1 to 4"):
        synthesis(phases, find_phase(phases, "BaTiO3"), max_precursors=9)
    with pytest.raises(ConfigError, match="an element"):
        synthesis(phases, find_phase(phases, "Fe"))


compounds = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={e: st.integers(1, 3) for e in ("Li", "Fe", "S")}).filter(
            lambda c: len(c) > 1
        ),
        st.floats(-2.0, -0.01),
    ),
    min_size=2,
    max_size=9,
)


@settings(max_examples=60, deadline=None)
@given(compounds)
def test_every_set_makes_the_crystal(found: list[tuple[dict[str, int], float]]) -> None:
    phases = phases_of([({e: 1}, 0.0) for e in ("Li", "Fe", "S")] + found)
    result = synthesis(phases, 3, max_precursors=3, metals=True, e_above_hull_max=9.0, limit=100)
    target = Composition(phases.formulas[3])
    for route in result.routes:
        used = sum((Composition(f) * n for f, n in route.equation.reactants), Composition())
        assert used.almost_equals(target * dict(route.equation.products)[phases.formulas[3]])
        assert route.energy_ev_per_atom < 0
        # With nothing else in the slice the last step is the whole reaction.
        if route.rivals == 0:
            assert route.inverse_hull_ev_per_atom == pytest.approx(-route.energy_ev_per_atom, abs=1e-7)
        else:
            assert route.inverse_hull_ev_per_atom <= -route.energy_ev_per_atom + 1e-7
    energies = np.array([r.energy_ev_per_atom for r in result.routes])
    hulls = np.array([r.inverse_hull_ev_per_atom for r in result.routes])
    for k in range(1, len(energies)):  # the best is beaten by no other in both
        assert not (energies[k] < energies[0] - 1e-5 and hulls[k] > hulls[0] + 1e-5)
