"""O2, CO2 and H2O as they stand in reactions with air.

**What their energies are.** Those of the level, at 0 K, of the molecule's crystal: the lowest phase of oxygen, which is
its elemental reference, dry ice, and ice. Surrogates of crystals are fitted to crystals, and a molecule in a box lies
outside of what they know (see `sources.elemental`). So nothing of temperature, pressure, zero-point motion or
sublimation is in them (sublimation costs about 0.26 eV a molecule of CO2 at 195 K, Giauque & Egan, J. Chem. Phys. 5,
45 (1937), and 0.53 eV of H2O at 273 K): a gas is in truth higher, and readier to react, than its crystal.

On the Materials Project's corrected scale, which CHGNet was fitted to, each oxygen of an oxide is lowered by 0.69 eV,
those of CO2 and ice too: their formation energies are about 1 eV a molecule below the measured ones. In a reaction
whose oxygen stays O2- the same shift stands on both sides and cancels; a measured energy of CO2 would not cancel, and
must not be put in its place.

**What a temperature adds.** With one, the chemical potential is shifted by the ideal gas' free energy relative to its
enthalpy at 0 K, at a partial pressure (by default that of air at sea level, with 1 % water): rigid rotor and harmonic
oscillator with measured bond lengths and frequencies, by ASE. It is within 2 meV of the NIST-JANAF tables at 298 K. The
solids' vibrations and the sublimation remain left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gnome_lite.analysis.equations import molecule_size
from gnome_lite.core.errors import ConfigError, MissingReferenceError
from gnome_lite.core.phases import PhaseSet


class Molecule(NamedTuple):
    """A gas of air, with positions in Å.

    Wavenumbers are those of its vibrations (fundamentals, NIST Chemistry WebBook), the spin is the total one
    (1 for O2's triplet), the pressure the partial one.
    """

    symbols: str
    positions: tuple[tuple[float, float, float], ...]
    wavenumbers_per_cm: tuple[float, ...]
    geometry: Literal["linear", "nonlinear"]
    symmetry_number: int
    spin: float
    pressure_bar: float


AIR = {
    "O2": Molecule("O2", ((0, 0, 0), (0, 0, 1.2075)), (1556.0,), "linear", 2, 1.0, 0.212),
    "CO2": Molecule(
        "COO", ((0, 0, 0), (0, 0, 1.162), (0, 0, -1.162)), (667.0, 667.0, 1333.0, 2349.0), "linear", 2, 0.0, 4.2e-4
    ),
    "H2O": Molecule(
        "OHH", ((0, 0, 0), (0, 0.757, 0.587), (0, -0.757, 0.587)), (1595.0, 3657.0, 3756.0), "nonlinear", 2, 0.0, 0.01
    ),
}  # fmt: skip
"""Gases that air attacks with, and their partial pressures at sea level (1 % water)."""


@dataclass(frozen=True, slots=True)
class Gas:
    """A gas as a reservoir.

    Attributes:
        formula: of the molecule.
        phase_id: id of the crystal its energy is taken from.
        energy_ev: formation energy of one molecule plus `shift_ev`.
        shift_ev: from temperature and pressure, 0 without them.
    """

    formula: str
    phase_id: str
    energy_ev: float
    shift_ev: float = 0.0


def gas_of(
    phases: PhaseSet, formula: str, temperature_k: float | None = None, pressure_bar: float | None = None
) -> Gas:
    """Return a gas of `AIR` at the level of some phases.

    Raises:
        ConfigError: if it is not one of air's, or temperature or pressure are not positive.
        MissingReferenceError: if there is no energy of it at this level.
    """
    if formula not in AIR:
        raise ConfigError(f"{formula!r} is none of the gases here: choose from {', '.join(AIR)}")
    same = [i for i, f in enumerate(phases.formulas) if f == formula]
    candidates = [(float(phases.e_form_ev_per_atom[i]), phases.ids[i]) for i in same]
    if formula in phases.molecules:
        candidates.append(phases.molecules[formula][::-1])
    if not candidates:
        raise MissingReferenceError(
            f"no {formula} at level {phases.level}: `gnome-lite seed gases` relaxes its crystal with the calculator, "
            f"or add a source that has it"
        )
    e_form, phase_id = min(candidates)
    shift = 0.0 if temperature_k is None else free_energy_ev(formula, temperature_k, pressure_bar)
    return Gas(formula, phase_id, molecule_size(formula) * e_form + shift, shift)


def gases_of(phases: PhaseSet, formulas: Sequence[str] = (), temperature_k: float | None = None) -> list[Gas]:
    """Return the gases of air that this level has, or just those named.

    Raises:
        ConfigError: as `gas_of`.
        MissingReferenceError: if one that is named has no energy at this level.
    """
    found = []
    for formula in formulas or AIR:
        try:
            found.append(gas_of(phases, formula, temperature_k))
        except MissingReferenceError:
            if formulas:
                raise
    return found


def free_energy_ev(formula: str, temperature_k: float, pressure_bar: float | None = None) -> float:
    """Return the Gibbs free energy of a molecule of the ideal gas relative to its enthalpy at 0 K, eV.

    Raises:
        ConfigError: if temperature or pressure are not positive and finite.
    """
    from ase import Atoms
    from ase.thermochemistry import IdealGasThermo
    from ase.units import invcm

    molecule = AIR[formula]
    pressure = molecule.pressure_bar if pressure_bar is None else pressure_bar
    if not (math.isfinite(temperature_k) and temperature_k > 0 and math.isfinite(pressure) and pressure > 0):
        raise ConfigError(f"{temperature_k} K and {pressure} bar: give a positive temperature and pressure")
    energies = [invcm * k for k in molecule.wavenumbers_per_cm]
    thermo = IdealGasThermo(
        vib_energies=energies, geometry=molecule.geometry, potentialenergy=0.0,
        atoms=Atoms(molecule.symbols, positions=molecule.positions), symmetrynumber=molecule.symmetry_number,
        spin=molecule.spin,
    )  # fmt: skip
    total = thermo.get_gibbs_energy(temperature_k, 1e5 * pressure, verbose=False)
    return float(total) - sum(energies) / 2
