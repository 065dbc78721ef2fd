"""Reactions: counted again, and energies against pymatgen's phase diagrams, grand potentials and interfaces.

Covers `reactions` and `mixtures`.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from samples.phase_sets import dft_phases, entries_of, phases_of, seed_phases

from gnome_lite.analysis.gases import AIR, Gas, gas_of
from gnome_lite.analysis.lookup import find_phase
from gnome_lite.analysis.reactions import Reaction, decomposition, with_gas
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.stability.hull import build_hull

TOLERANCE_EV_PER_ATOM = 1e-6


def imbalance(reaction: Reaction) -> float:
    """Largest surplus of an element, by pymatgen's formula parser."""
    total = sum((Composition(f) * n for f, n in reaction.equation.products), Composition())
    used = sum((Composition(f) * n for f, n in reaction.equation.reactants), Composition())
    return max(abs(total[e] - used[e]) for e in {*total, *used})


def some(phases: PhaseSet, n: int, seed: int = 0) -> list[int]:
    return sorted(np.random.default_rng(seed).choice(len(phases), n, replace=False).tolist())


def test_decompositions_are_the_verdicts_and_balance() -> None:
    phases = seed_phases()
    hull = build_hull(seed_phases())
    chosen = [i for i in some(phases, 150) if decomposition(phases, i) is not None]
    verdicts = hull.verdicts([phases.ids[i] for i in chosen])
    for i, verdict in zip(chosen, verdicts, strict=True):
        reaction = decomposition(phases, i)
        assert reaction is not None
        assert imbalance(reaction) == 0
        assert -reaction.energy_ev_per_atom == pytest.approx(
            verdict.decomposition_ev_per_atom, abs=TOLERANCE_EV_PER_ATOM
        )


def test_decompositions_are_pymatgens_on_dft_entries() -> None:
    phases = dft_phases()
    diagram = PhaseDiagram(entries_of(phases))
    entries = {e.name: e for e in diagram.all_entries}
    for i in some(phases, 60):
        above = diagram.get_e_above_hull(entries[phases.ids[i]])
        if above > TOLERANCE_EV_PER_ATOM:
            reaction = decomposition(phases, i)
            assert reaction is not None
            assert imbalance(reaction) == 0
            assert -reaction.energy_ev_per_atom == pytest.approx(above, abs=TOLERANCE_EV_PER_ATOM)


@pytest.mark.parametrize("shift", [0.0, -0.5, 0.3])
def test_oxygen_is_the_grand_potential(shift: float) -> None:
    """With oxygen as a reservoir the energy is the distance to the hull of the grand potential without the crystal."""
    phases = dft_phases()
    gas = Gas("O2", "O", 2 * shift, 2 * shift)
    entries = entries_of(phases)
    ternaries = [i for i in some(phases, 200, seed=3) if (phases.counts[i] > 0).sum() <= 3]
    for i in ternaries[:6]:
        formula = phases.formulas[i]
        kinds = set(Composition(formula).elements) - {Element("O")}
        if not kinds:
            continue
        same = [e for e in entries if e.composition.reduced_formula == formula]
        space = kinds | {Element("O")}
        rest = [e for e in entries if e not in same and set(e.composition.elements) <= space]
        diagram = GrandPotentialPhaseDiagram(rest, {Element("O"): shift})
        crystal = entries[i]
        potential = crystal.energy - shift * crystal.composition["O"]
        closed = Composition({e: n for e, n in crystal.composition.items() if e != Element("O")})
        below = diagram.get_hull_energy(closed) if hasattr(diagram, "get_hull_energy") else np.nan
        reaction = with_gas(phases, i, gas)
        assert reaction is not None
        assert imbalance(reaction) == 0
        n_formulas = crystal.composition.num_atoms / Composition(formula).num_atoms
        assert reaction.energy_ev_per_formula * n_formulas == pytest.approx(below - potential, abs=1e-5)


@pytest.mark.parametrize("formula", ["CO2", "H2O"])
@pytest.mark.parametrize("crystal", ["CaO", "Li2S", "Fe", "Na2O", "Li2O", "K2O", "CaS"])
def test_gases_of_two_elements_are_pymatgens_interfaces(formula: str, crystal: str) -> None:
    """The reaction per formula unit with as much gas as it takes is the lowest of the kinks of a mixing line."""
    phases = seed_phases()
    i = find_phase(phases, crystal)
    gas = gas_of(phases, formula)
    ours = with_gas(phases, i, gas)
    assert ours is not None
    assert imbalance(ours) == 0
    chemsys = "-".join(sorted({*(e.symbol for e in Composition(crystal)), *(e.symbol for e in Composition(formula))}))
    entries = [e for e in entries_of(phases, chemsys, by_id=False) if e.composition.reduced_formula != formula]
    entries.append(PDEntry(Composition(formula), gas.energy_ev))
    line = InterfacialReactivity(Composition(crystal), Composition(formula), PhaseDiagram(entries), norm=False)
    per_formula = []
    for _, x, _, equation, _ in line.get_kinks():
        if 0 < x <= 1:
            used = -equation.get_coeff(Composition(crystal)) if Composition(crystal) in equation.reactants else 1.0
            energy = equation.calculate_energy(_energies(equation, line.pd, phases))
            per_formula.append(energy / used)
    lowest = min(per_formula)
    if lowest < -1e-6:
        assert ours.energy_ev_per_formula == pytest.approx(lowest, abs=1e-5)
        assert ours.downhill
    else:
        assert not ours.downhill


def _energies(equation: object, diagram: PhaseDiagram, phases: PhaseSet) -> dict[Composition, float]:
    """Lowest energy of each formula of a reaction, eV, by pymatgen's diagram."""
    found: dict[Composition, float] = {}
    for c in equation.all_comp:  # type: ignore[attr-defined]
        same = [e for e in diagram.all_entries if e.composition.reduced_formula == c.reduced_formula]
        found[c] = min(e.energy_per_atom for e in same) * c.num_atoms
    return found


@pytest.mark.parametrize(
    ("crystal", "gas", "equation", "measured_ev"),
    [
        ("CaO", "CO2", "CaO + CO2 -> CaCO3", -1.85),  # formation enthalpies at 298 K, CRC Handbook
        ("Fe", "O2", "4 Fe + 3 O2 -> 2 Fe2O3", -4.27),
    ],
)
def test_textbook_reactions_at_the_seeds_level(crystal: str, gas: str, equation: str, measured_ev: float) -> None:
    phases = seed_phases()
    reaction = with_gas(phases, find_phase(phases, crystal), gas_of(phases, gas))
    assert reaction is not None
    assert str(reaction.equation) == equation
    assert reaction.energy_ev_per_formula == pytest.approx(measured_ev, abs=0.3)
    assert reaction.with_gas > 0


def test_where_no_product_is_known_it_says_so() -> None:
    """Nobody has reported a carbonate of beryllium, and the seed has none."""
    phases = seed_phases()
    reaction = with_gas(phases, find_phase(phases, "BeO"), gas_of(phases, "CO2"))
    assert reaction is not None
    carbonates = [f for f in phases.formulas if Composition(f).chemical_system == "Be-C-O"]
    assert not carbonates
    assert not reaction.downhill


def test_a_gas_does_not_react_with_itself() -> None:
    phases = seed_phases()
    with pytest.raises(ConfigError, match="itself"):
        with_gas(phases, find_phase(phases, "O2"), gas_of(phases, "O2"))


def test_polymorphs_and_elements() -> None:
    phases = phases_of([({"Li": 1}, 0.0), ({"O": 2}, 0.0), ({"Li": 2, "O": 1}, -2.0), ({"Li": 4, "O": 2}, -1.9)])
    into = decomposition(phases, 2)
    assert into is not None
    assert (str(into.equation), into.product_ids) == ("Li2O -> Li2O", ("e003",))
    assert into.energy_ev_per_atom == pytest.approx(0.1)
    chemical = decomposition(phases, 2, polymorphs=False)
    assert chemical is not None
    assert str(chemical.equation) == "2 Li2O -> 4 Li + O2"
    assert chemical.energy_ev_per_formula == pytest.approx(6.0)
    assert decomposition(phases, 0) is None


compounds = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={e: st.integers(1, 4) for e in ("Li", "Fe", "O", "C")}).filter(
            lambda c: len(c) > 1
        ),
        st.floats(-3.0, 0.5),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=120, deadline=None)
@given(compounds, st.floats(-2.0, -0.5))
def test_every_reaction_balances_and_no_gas_helps_less_than_none(
    found: list[tuple[dict[str, int], float]], co2: float
) -> None:
    phases = phases_of([({e: 1}, 0.0) for e in ("Li", "Fe", "O", "C")] + found)
    oxygen = Gas("O2", "e002", 0.0)
    carbon = Gas("CO2", "gas", 3 * min([co2, *(e for c, e in found if set(c) <= {"C", "O"})]))
    alone = decomposition(phases, 4, polymorphs=False)
    assert alone is not None
    assert imbalance(alone) == 0
    for gas in (oxygen, carbon):
        if phases.formulas[4] == gas.formula:
            continue
        reaction = with_gas(phases, 4, gas, [oxygen, carbon])
        assert reaction is not None
        assert imbalance(reaction) == 0
        if {"C", "O"} <= set(found[0][0]) or gas is oxygen:
            # What is possible without the gas is possible with it (where the crystal's own elements make it).
            assert reaction.energy_ev_per_atom <= alone.energy_ev_per_atom + 1e-6 or phases.formulas[4] in AIR


def test_what_nothing_can_be_made_of_takes_no_part() -> None:
    phases = seed_phases()
    gases = [gas_of(phases, f) for f in AIR]
    assert with_gas(phases, find_phase(phases, "Ar"), gas_of(phases, "CO2"), gases) is None
    assert with_gas(phases, find_phase(phases, "O2"), gas_of(phases, "CO2"), gases) is None
