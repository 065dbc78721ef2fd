"""Analyses of single crystals against pymatgen, and at the seed's level against calorimetry."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row, data_dir, speed_row
from benchmarks.sizes import Effort, size

TOLERANCE_EV_PER_ATOM = 1e-6
KJ_PER_MOL_EV = 0.0103642697
MEASURED_KJ_PER_MOL = {
    "BaO": -548.0, "TiO2": -944.0, "BaTiO3": -1659.8, "SrO": -592.0, "SrTiO3": -1672.4, "CaO": -634.9,
    "CaTiO3": -1660.6, "FeO": -272.0, "Fe2O3": -824.2, "Fe3O4": -1118.4, "CaCO3": -1207.6, "CO2": -393.5,
    "Li2S": -441.4, "Li2SO4": -1436.5, "Na2S": -364.8, "Na2SO4": -1387.1, "K2S": -380.7, "K2SO4": -1437.8,
    "CaS": -482.4, "CaSO4": -1434.5, "NaCl": -411.2, "NaClO3": -365.8, "Fe": 0.0, "O2": 0.0,
}  # fmt: skip
"""Formation enthalpies, 298 K: CRC Handbook of Chemistry and Physics; titanates: Barin, Thermochemical Data, 1995."""
REACTIONS = (
    (("BaO", "TiO2"), ("BaTiO3",)),
    (("SrO", "TiO2"), ("SrTiO3",)),
    (("CaO", "TiO2"), ("CaTiO3",)),
    (("FeO", "Fe2O3"), ("Fe3O4",)),
    (("FeO", "O2"), ("Fe2O3",)),
    (("Fe", "O2"), ("Fe2O3",)),
    (("CaO", "CO2"), ("CaCO3",)),
    (("Li2S", "O2"), ("Li2SO4",)),
    (("Na2S", "O2"), ("Na2SO4",)),
    (("K2S", "O2"), ("K2SO4",)),
    (("CaS", "O2"), ("CaSO4",)),
    (("NaCl", "O2"), ("NaClO3",)),
)


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    seed = _seed()
    yield from _measured_reactions(seed)
    yield from _synthesis(seed, size("stability_analyses.synthesis", effort))
    yield from _gases(seed, size("stability_analyses.gases", effort))
    dft = _dft()
    yield from _decompositions(dft)
    yield from _oxygen(dft, size("stability_analyses.oxygen", effort))
    yield from _chemical_potentials(dft, size("stability_analyses.ranges", effort))


def _equal(name: str, largest: float, unit: str = "eV/atom") -> Row:
    ok = largest <= TOLERANCE_EV_PER_ATOM
    return Row(name, unit, largest, None, "pymatgen", None, "<= 1e-6", ok)


def _measured_reactions(phases: Any) -> Iterator[Row]:
    """Reactions at the seed's level beside measured enthalpies, per atom of the products.

    A reaction is left out, and named, if the seed does not hold all of its compounds.
    """
    from pymatgen.core import Composition

    from gnome_lite.analysis.equations import balanced
    from gnome_lite.analysis.gases import gas_of

    held = MEASURED_KJ_PER_MOL.keys() & set(phases.formulas)
    energy = {f: Composition(f).num_atoms * _lowest(phases, f) for f in held}
    energy["CO2"] = gas_of(phases, "CO2").energy_ev
    errors: dict[str, float] = {}
    left_out: list[str] = []
    for reactants, products in REACTIONS:
        if not energy.keys() >= {*reactants, *products}:
            left_out += products
            continue
        equation = balanced(reactants, products)
        atoms = sum(Composition(f).num_atoms * n for f, n in equation.products)
        ours = sum(equation.coefficient(f) * energy[f] for f in (*reactants, *products))
        measured = (
            sum(equation.coefficient(f) * MEASURED_KJ_PER_MOL[f] for f in (*reactants, *products)) * KJ_PER_MOL_EV
        )
        errors[str(equation)] = (ours - measured) / atoms
    sizes = np.abs(list(errors.values()))
    worst = max(errors, key=lambda e: abs(errors[e]))
    name = f"reactions at the seed's level beside measured enthalpies ({len(errors)})"
    yield Row(f"{name}, median absolute difference", "eV/atom", float(np.median(sizes)), None, "calorimetry", None)
    yield Row(f"{name}, mean absolute difference", "eV/atom", float(np.mean(sizes)), None, "calorimetry", None)
    yield Row(f"the same, largest: {worst}", "eV/atom", errors[worst], None, "calorimetry", None)
    for product in left_out:
        yield Row(f"reaction to {product} left out: the seed lacks a compound of it", "", 1, None, "", None)


def _synthesis(phases: Any, most: int) -> Iterator[Row]:
    from pymatgen.analysis.reaction_calculator import ComputedReaction
    from pymatgen.core import Composition
    from pymatgen.entries.computed_entries import ComputedEntry

    from gnome_lite.analysis.gases import gas_of
    from gnome_lite.analysis.synthesis_routes import synthesis

    gases = [gas_of(phases, f) for f in ("CO2", "H2O")]
    gas_ev = {g.formula: g.energy_ev for g in gases}

    def entry(formula: str) -> ComputedEntry:
        composition = Composition(formula)
        at_hand = formula in gas_ev
        energy = gas_ev[formula] if at_hand else _lowest(phases, formula) * composition.num_atoms
        return ComputedEntry(composition, energy)

    differences, seconds, n = [0.0], 0.0, 0
    for index in _on_hull(phases, 3, most):
        started = time.perf_counter()
        found = synthesis(phases, index, gases, limit=300)
        seconds += time.perf_counter() - started
        n += 1
        for route in found.routes:
            entries = [
                [entry(formula) for formula, _ in side] for side in (route.equation.reactants, route.equation.products)
            ]
            reaction = ComputedReaction(*entries)
            target = Composition(found.formula)
            per_atom = reaction.calculated_reaction_energy / reaction.get_coeff(target) / target.num_atoms
            differences.append(abs(per_atom - route.energy_ev_per_atom))
    name = f"reaction energies of {len(differences) - 1} precursor sets of {n} ternary seed crystals"
    yield _equal(f"{name}, largest difference from `ComputedReaction`", max(differences))
    yield Row("precursor sets of one crystal, ranked", "s", seconds / n, None, "", None)


def _gases(phases: Any, most: int) -> Iterator[Row]:
    """CO2 and H2O against the lowest kink of pymatgen's mixing line, per formula unit."""
    from pymatgen.analysis.interface_reactions import InterfacialReactivity
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    from gnome_lite.analysis.gases import gas_of
    from gnome_lite.analysis.reactions import with_gas

    largest, n, downhill = 0.0, 0, 0
    seconds = {"ours": 0.0, "pymatgen": 0.0}
    for formula in ("CO2", "H2O"):
        gas = gas_of(phases, formula)
        for index in _on_hull(phases, 2, most):
            crystal = Composition(phases.formulas[index])
            if phases.formulas[index] in (formula, "CO2", "H2O") or set(crystal) <= set(Composition(formula)):
                continue
            started = time.perf_counter()
            reaction = with_gas(phases, index, gas)
            seconds["ours"] += time.perf_counter() - started
            assert reaction is not None
            space = {*crystal.elements, *Composition(formula).elements}
            entries = [e for e in _entries(phases, space, by_id=False) if e.composition.reduced_formula != formula]
            started = time.perf_counter()
            diagram = PhaseDiagram([*entries, PDEntry(Composition(formula), gas.energy_ev)])
            line = InterfacialReactivity(crystal, Composition(formula), diagram, norm=False)
            lowest = 0.0
            for _, x, _, equation, _ in line.get_kinks():
                if 0 < x <= 1 and crystal in equation.reactants:
                    energies = {c: _energy_in(diagram, c) for c in equation.all_comp}
                    energy: Any = equation.calculate_energy(energies)
                    lowest = min(lowest, energy / -equation.get_coeff(crystal))
            seconds["pymatgen"] += time.perf_counter() - started
            n += 1
            downhill += lowest < 0
            largest = max(largest, abs(min(reaction.energy_ev_per_formula, 0.0) - lowest) / crystal.num_atoms)
    yield _equal(f"reactions with CO2 and H2O of {n} seed crystals ({downhill} downhill), largest difference", largest)
    yield speed_row("reactions with CO2 and H2O", "1/s", n / seconds["ours"], n / seconds["pymatgen"], "pymatgen")


def _decompositions(phases: Any) -> Iterator[Row]:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    from gnome_lite.analysis.reactions import decomposition

    diagram = PhaseDiagram(_entries(phases))
    entries = {e.name: e for e in diagram.all_entries}
    largest, n = 0.0, 0
    for index in range(0, len(phases), 5):
        above = diagram.get_e_above_hull(entries[phases.ids[index]])
        if above is not None and above > TOLERANCE_EV_PER_ATOM:
            reaction = decomposition(phases, index)
            largest = max(largest, abs(-reaction.energy_ev_per_atom - above)) if reaction is not None else np.inf
            n += 1
    yield _equal(f"decomposition reactions of {n} DFT entries of Fe-Li-O-P above the hull, largest difference", largest)


def _oxygen(phases: Any, n: int) -> Iterator[Row]:
    """Reactions with oxygen against the grand potential's hull without the crystal's composition."""
    from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram
    from pymatgen.core import Composition, Element

    from gnome_lite.analysis.gases import Gas
    from gnome_lite.analysis.reactions import with_gas

    oxygen, largest, done = Element("O"), 0.0, 0
    entries = _entries(phases)
    seconds = {"ours": 0.0, "pymatgen": 0.0}
    for index in np.random.default_rng(0).permutation(len(phases)):
        entry = entries[index]
        closed = Composition({e: a for e, a in entry.composition.items() if e != oxygen})
        if not 1 <= len(closed) <= 2 or done == n:
            continue
        for shift in (0.0, -0.4):
            space = {*entry.composition.elements, oxygen}
            rest = [
                e
                for e in entries
                if set(e.composition.elements) <= space
                and e.composition.reduced_formula != entry.composition.reduced_formula
            ]
            started = time.perf_counter()
            diagram = GrandPotentialPhaseDiagram(rest, {oxygen: shift})
            below = diagram.get_hull_energy(closed) - (entry.energy - shift * entry.composition[oxygen])
            seconds["pymatgen"] += time.perf_counter() - started
            started = time.perf_counter()
            reaction = with_gas(phases, int(index), Gas("O2", "O2", 2 * shift, 2 * shift))
            seconds["ours"] += time.perf_counter() - started
            assert reaction is not None
            largest = max(largest, abs(reaction.energy_ev_per_atom - below / entry.composition.num_atoms))
        done += 1
    yield _equal(f"reactions with O2 of {done} DFT entries at two potentials, largest difference", largest)
    yield speed_row(
        "reactions with O2",
        "1/s",
        2 * done / seconds["ours"],
        2 * done / seconds["pymatgen"],
        "pymatgen",
    )


def _chemical_potentials(phases: Any, n: int) -> Iterator[Row]:
    from pymatgen.analysis.chempot_diagram import ChemicalPotentialDiagram
    from pymatgen.core import Element

    from gnome_lite.analysis.chemical_potentials import stability_range
    from gnome_lite.core.crystals import symbol

    largest, done = 0.0, 0
    seconds = {"ours": 0.0, "pymatgen": 0.0}
    for index in [*_on_hull(phases, 2, n), *_on_hull(phases, 3, n)]:
        started = time.perf_counter()
        ours = stability_range(phases, index)
        seconds["ours"] += time.perf_counter() - started
        if ours is None:
            largest = np.inf
            continue
        entries = _entries(phases, {Element(symbol(z)) for z in phases.elements(index)}, by_id=False)
        started = time.perf_counter()
        diagram = ChemicalPotentialDiagram(entries, default_min_limit=-60.0)
        domain = diagram.domains[phases.formulas[index]]
        seconds["pymatgen"] += time.perf_counter() - started
        order = [[e.symbol for e in diagram.elements].index(e) for e in ours.elements]
        theirs = domain[domain.min(axis=1) > -59.9][:, order]
        ends = np.stack([ours.lowest_ev - theirs.min(axis=0), ours.highest_ev - theirs.max(axis=0)])
        largest = max(largest, float(np.abs(ends).max()))
        done += 1
    yield _equal(f"chemical-potential ranges of {done} DFT entries on the hull, largest difference", largest, "eV")
    yield speed_row(
        "chemical-potential ranges",
        "1/s",
        done / seconds["ours"],
        done / seconds["pymatgen"],
        "pymatgen",
    )


def _seed() -> Any:
    from gnome_lite.assemble import load_molecules, load_references
    from gnome_lite.settings import Settings

    references = load_references()
    return references.with_molecules(load_molecules(Settings(home=Path("/nonexistent")), references.level))


def _dft() -> Any:
    """The Materials Project's entries of Fe-Li-O-P as phases."""
    from pymatgen.core import Structure

    from gnome_lite.core.crystals import Crystal
    from gnome_lite.core.phases import Phase, PhaseSet

    with gzip.open(data_dir() / "mp_entries_Fe-Li-O-P.json.gz", "rt") as file:
        documents = json.load(file)
    crystals = [Crystal.from_pymatgen(Structure.from_dict(d["structure"])) for d in documents]
    return PhaseSet.make(
        [
            Phase(
                f"e{i}", crystal, d["energy"] + (d.get("correction") or 0.0), "MP2020", "Materials Project", "CC BY 4.0"
            )
            for i, (d, crystal) in enumerate(zip(documents, crystals, strict=True))
        ]
    )


def _entries(phases: Any, elements: set[Any] | None = None, by_id: bool = True) -> list[Any]:
    """Phases within some elements as pymatgen's entries, energies those of formation."""
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition

    found = []
    wanted: Callable[[Composition], bool] = lambda c: elements is None or set(c.elements) <= elements  # noqa: E731
    for name, counts, energy in zip(phases.ids, phases.counts, phases.e_form_ev_per_atom, strict=True):
        c = Composition({int(z): int(counts[z]) for z in np.flatnonzero(counts)})
        if wanted(c):
            found.append(PDEntry(c, float(energy) * c.num_atoms, name=name if by_id else None))
    return found


def _energy_in(diagram: Any, composition: Any) -> float:
    """Of the lowest entry of a composition in pymatgen's diagram, eV for as many atoms as it has."""
    same = [e for e in diagram.all_entries if e.composition.reduced_formula == composition.reduced_formula]
    return float(min(e.energy_per_atom for e in same) * composition.num_atoms)


def _lowest(phases: Any, formula: str) -> float:
    """eV/atom."""
    return float(min(e for e, f in zip(phases.e_form_ev_per_atom, phases.formulas, strict=True) if f == formula))


def _on_hull(phases: Any, n_elements: int, most: int) -> list[int]:
    """Some phases of so many elements that have a chemical-potential range, evenly over the list."""
    from gnome_lite.analysis.chemical_potentials import stability_range

    found: list[int] = []
    candidates = np.flatnonzero((phases.counts > 0).sum(axis=1) == n_elements)
    for index in np.random.default_rng(1).permutation(candidates):
        if len(found) < most and stability_range(phases, int(index)) is not None:
            found.append(int(index))
    return found
