"""`analyse`: what a crystal decomposes into, how it stands in air, and where it is stable."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnome_lite.cli.common import (
    FORMAT,
    Home,
    References,
    Temperature,
    phases_of,
    print_json,
    print_line,
    print_section,
    split_list,
)
from gnome_lite.cli.query import Campaign

if TYPE_CHECKING:
    from gnome_lite.analysis.gases import Gas
    from gnome_lite.analysis.reactions import Reaction
    from gnome_lite.core.phases import PhaseSet


_ORIGINS = {
    "reported": "reported compound",
    "hypothetical": "hypothetical reference",
    "found": "verified here, no reference",
}


def analyse(
    crystals: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids (or their beginnings), or formulas.")],
    gas: Annotated[str | None, typer.Option(metavar="O2,CO2,H2O", help="React with these. Default: all.")] = None,
    temperature: Temperature = None,
    campaign: Campaign = None,
    references: References = None,
    format: Annotated[Literal["text", "json"], FORMAT] = "text",
    home: Home = None,
) -> None:
    """Decomposition, reactions with air, chemical-potential range and bonds of single crystals.

    Of verified crystals and references of one level; a formula means its lowest phase.
    """
    from gnome_lite.analysis.gases import gases_of
    from gnome_lite.analysis.lookup import find_phase

    phases = phases_of(home, campaign, references)
    gases = gases_of(phases, split_list(gas), temperature)
    analyses = [_analysis(phases, find_phase(phases, text), gases, temperature) for text in crystals]
    if format == "json":
        print_json(analyses)
        return
    for one in analyses:
        _print(one)


def _analysis(phases: PhaseSet, index: int, gases: list[Gas], temperature_k: float | None) -> dict[str, Any]:
    """Return everything that is printed of one crystal, as JSON can hold it."""
    from ase.data import atomic_masses

    from gnome_lite.analysis.chemical_potentials import stability_range
    from gnome_lite.analysis.dimensionality import dimensionality
    from gnome_lite.analysis.reactions import decomposition, with_gas
    from gnome_lite.assemble import dft_correction, make_novelty
    from gnome_lite.chemistry.space_groups import crystal_system, point_group, symbol_of
    from gnome_lite.chemistry.symmetry import symmetry
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.core.origins import origins
    from gnome_lite.stability.reference_coverage import coverage_of

    crystal = phases.crystals[index]
    novelty = make_novelty()
    (fingerprint,) = novelty.fingerprints(CrystalBatch.from_crystals([crystal]))
    region = stability_range(phases, index)
    group = symmetry(crystal, 0.1)
    number = int(group.number) if group is not None else None
    formula = phases.formulas[index]
    (dft,) = dft_correction(phases, [phases.ids[index]])
    into, chemical = decomposition(phases, index), None
    if into is not None and into.equation.products == ((formula, 1),) and len(phases.elements(index)) > 1:
        chemical = decomposition(phases, index, polymorphs=False)
    potentials = None
    if region is not None:
        limits = zip(region.elements, region.lowest_ev.tolist(), region.highest_ev.tolist(), strict=True)
        potentials = {
            "range": {element: [low, high] for element, low, high in limits},
            "corners": [dict(zip(region.elements, corner.tolist(), strict=True)) for corner in region.corners],
            "bounded_by": list(region.bounded_by),
        }
    return {
        "id": phases.ids[index],
        "formula": formula,
        "level": phases.level,
        "origin": str(origins(phases)[index]),
        "references": asdict(coverage_of(phases, crystal.chemical_system.split("-"))),
        "e_form_ev_per_atom": float(phases.e_form_ev_per_atom[index]),
        "by_dft": None if dft is None else asdict(dft),
        "space_group": symbol_of(number) if number is not None else None,
        "space_group_number": number,
        "point_group": point_group(number) if number is not None else None,
        "crystal_system": crystal_system(number) if number is not None else None,
        "prototype": novelty.prototype(fingerprint) or None,
        "dimensionality": dimensionality(crystal),
        "density_g_per_cm3": float(atomic_masses[crystal.numbers].sum() / crystal.volume * 1.66053907),
        "decomposition": _plain(into),
        "decomposition_without_polymorphs": _plain(chemical),
        "temperature_k": temperature_k,
        "gas_shifts_ev": {g.formula: g.shift_ev for g in gases},
        "with_gas": {g.formula: _plain(with_gas(phases, index, g, gases)) for g in gases if g.formula != formula},
        "chemical_potentials_ev": potentials,
    }


def _plain(reaction: Reaction | None) -> dict[str, Any] | None:
    if reaction is None:
        return None
    return {
        "equation": str(reaction.equation),
        "product_ids": list(reaction.product_ids),
        "energy_ev_per_formula": reaction.energy_ev_per_formula,
        "energy_ev_per_atom": reaction.energy_ev_per_atom,
        "downhill": reaction.downhill,
        "phases": reaction.phases,
        "phases_with_gas": reaction.with_gas,
    }


def _print(one: dict[str, Any]) -> None:
    from gnome_lite.stability.reference_coverage import SystemCoverage

    element = "-" not in one["references"]["system"]
    print_line(f"{one['id']}  {one['formula']}  ({'element' if element else _ORIGINS[one['origin']]})", style="bold")
    print_line(f"at level {one['level']}, 0 K; energies of a surrogate unless that level is one of DFT")
    if not element:
        print_line(f"references in {SystemCoverage(**one['references'])}")
    group = "no space group found"
    if one["space_group"]:
        group = f"{one['space_group']} ({one['space_group_number']}), point group {one['point_group']}"
    dimensionality, density = one["dimensionality"], one["density_g_per_cm3"]
    bonds = {0: "molecules", 1: "chains", 2: "layers", 3: "a framework"}.get(dimensionality, "not found")
    print_line(f"{group}, {one['crystal_system'] or 'no crystal system'}")
    print_line(f"prototype {one['prototype'] or 'not found'}")
    print_line(f"bonds: {bonds} (dimensionality {dimensionality}); density {density:.2f} g/cm^3")
    print_section("Formation energy, eV/atom")
    print_line(f"{one['e_form_ev_per_atom']:+.4f}  at level {one['level']}")
    dft = one["by_dft"]
    if dft is not None:
        energy = f"{dft['e_form_ev_per_atom']:+.4f} ± {dft['spread_ev_per_atom']:.4f}"
        print_line(f"{energy}  corrected to {dft['target']} by {dft['model_id']}")
        print_line(f"P(DFT-stable) {dft['p_stable']:.2f} among references and verified crystals")
    print_section("Decomposition, eV/atom (negative = downhill)")
    for name in ("decomposition", "decomposition_without_polymorphs"):
        reaction = one[name]
        if reaction is not None:
            polymorph = reaction["equation"] == f"{one['formula']} -> {one['formula']}"
            note = f"  (its polymorph {reaction['product_ids'][0]})" if polymorph else ""
            print_line(f"{reaction['energy_ev_per_atom']:+.4f}  {reaction['equation']}{note}")
    if one["decomposition"] is None:
        print_line("there is no other phase of this element")
    at = f" at {one['temperature_k']:g} K in air" if one["temperature_k"] else ", gases as their crystals at 0 K"
    print_section(f"In excess of a gas{at}, eV a formula unit")
    for formula, reaction in one["with_gas"].items():
        if reaction is None:
            print_line(f"{formula:<4}no phase here can be made of it")
            continue
        least = "" if reaction["downhill"] else "  (nothing downhill; this is the least uphill)"
        beware = "  (there is no phase with the gas' elements)" if not reaction["phases_with_gas"] else ""
        print_line(f"{formula:<4}{reaction['energy_ev_per_formula']:+.3f}  {reaction['equation']}{least}{beware}")
    if not one["with_gas"]:
        print_line("no energies of gases at this level: `gnome-lite seed gases` makes them")
    print_section("Chemical potentials at which it is stable, eV (0 = the element)")
    region = one["chemical_potentials_ev"]
    if region is None:
        print_line("none: it is above the hull")
        return
    for element, (low, high) in region["range"].items():
        print_line(f"{element:<3}{low:+.3f} to {high:+.3f}")
