"""What `show` and `references show` print of a reference phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnome_lite.cli.common import print_line, print_section, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from gnome_lite.core.crystals import Crystal


def show_reference(id: str, home: Path | None) -> None:
    """Print a reference phase: formula, space group, energies, place on the hull, source, cell.

    Raises:
        SourceError: if there is none of this id, or more than one.
    """
    from gnome_lite.assemble.known_phases import find_reference
    from gnome_lite.store.relaxed_symmetry import space_group_of

    phase, place, reference_set_id = find_reference(id, settings_of(home))
    crystal = phase.crystal
    print_line(f"{phase.id}  {crystal.reduced_formula}  ({crystal.chemical_system})", style="bold")
    print_line(f"reference phase at level {phase.level}, reference set {reference_set_id}")
    print_line(f"source: {phase.source}; licence: {phase.licence}")
    if (group := space_group_of(crystal)) is not None:
        print_line(f"space group {group[1]} ({group[0]})")
    print_section(f"Energies at {phase.level}, eV/atom")
    print_line(f"energy                {phase.energy_ev_per_atom:+.4f}")
    if place is None:
        print_line("formation energy      -  (an element has no reference beside it)")
    else:
        print_line(f"formation energy      {place.e_form_ev_per_atom:+.4f}")
        print_line(f"energy above hull     {place.e_above_hull_ev_per_atom:+.4f}")
        print_line(f"decomposition energy  {place.decomposition_ev_per_atom:+.4f}  (relative to all other phases)")
        if place.products:
            parts = " + ".join(f"{share:.3f} {formula} [{entry}]" for entry, formula, share in place.products)
            print_line(f"competing phases (fractions of atoms): {parts}")
    print_section("Crystal")
    print_cell(crystal)


def print_cell(crystal: Crystal) -> None:
    """Print lattice parameters and fractional coordinates."""
    from gnome_lite.core.crystals import symbol

    a, b, c, alpha, beta, gamma = crystal.to_ase().cell.cellpar()
    print_line(
        f"a b c {a:.4f} {b:.4f} {c:.4f} Å, angles {alpha:.2f} {beta:.2f} {gamma:.2f}°, "
        f"volume {crystal.volume:.2f} Å^3, {len(crystal)} atoms",
    )
    for z, x in zip(crystal.numbers, crystal.frac_coords.round(5) % 1.0, strict=True):
        print_line(f"  {symbol(z):<2} {x[0]:9.5f} {x[1]:9.5f} {x[2]:9.5f}")
