"""Dry ice and ice: sound starting crystals, and shipped energies that the calculator gives again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnome_lite.assemble import load_molecules, load_references, molecules_file
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.settings import Settings
from gnome_lite.sources.molecules import dry_ice, ice_xi
from gnome_lite.sources.reference_files import write_references


def shortest(crystal: Crystal, a: int, b: int) -> list[float]:
    """Distances of two kinds of atoms, in order, the periodic images included, Å."""
    structure = crystal.to_pymatgen()
    first, second = (np.flatnonzero(crystal.numbers == z) for z in (a, b))
    return sorted(float(d) for i in first for d in structure.lattice.get_all_distances(
        crystal.frac_coords[i], crystal.frac_coords[second])[0])  # fmt: skip


def test_dry_ice() -> None:
    crystal = dry_ice()
    found = symmetry(crystal, 0.01)
    assert found is not None
    assert (crystal.reduced_formula, found.number) == ("CO2", 205)
    bonds = shortest(crystal, 6, 8)
    assert bonds[:8] == pytest.approx([1.158] * 8, abs=0.01)
    assert bonds[8] > 3.0


def test_ice() -> None:
    crystal = ice_xi()
    found = symmetry(crystal, 0.01)
    assert found is not None
    assert (crystal.reduced_formula, len(crystal), found.number) == ("H2O", 12, 36)
    bonds = shortest(crystal, 8, 1)
    assert max(bonds[:8]) < 1.1  # two bonds at each of four oxygens
    assert min(bonds[8:16]) > 1.5  # and two hydrogen bonds
    assert crystal.volume / 4 == pytest.approx(32.0, abs=0.2)


def test_shipped_energies_are_the_calculators() -> None:
    from gnome_lite.verify.calculators import make_calculator

    references = load_references()
    shipped = load_molecules(Settings(home=Path("/none")), references.level)
    assert sorted(e.crystal.reduced_formula for e in shipped) == ["CO2", "H2O"]
    calculator = make_calculator("chgnet")
    for entry in shipped:
        atoms = entry.crystal.to_ase()
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(entry.energy_ev, abs=1e-3)
        assert np.abs(atoms.get_forces()).max() < 0.05


def test_what_was_made_here_goes_before_what_is_shipped(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = Settings(home=tmp_path)
    level = load_references().level
    shipped = load_molecules(settings, level)
    mine = [replace(e, energy_ev=e.energy_ev - 1.0) for e in shipped]
    write_references(molecules_file(settings, level), mine)
    assert [e.energy_ev for e in load_molecules(settings, level)] == [e.energy_ev for e in mine]
    assert load_molecules(settings, "another-level") == []
