"""Gases: ideal-gas free energies against the tables, and honest refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from samples.phase_sets import seed_phases

from gnome_lite.analysis.gases import AIR, free_energy_ev, gas_of
from gnome_lite.assemble import load_molecules, load_references
from gnome_lite.core.errors import ConfigError, LevelMismatchError, MissingReferenceError
from gnome_lite.settings import Settings

KJ_PER_MOL_EV = 0.0103642697
# NIST-JANAF, 4th ed. (1998): H(T) - H(0) kJ/mol and S(T) J/mol/K at 1 bar.
JANAF = {
    ("O2", 298.15): (8.683, 205.147), ("CO2", 298.15): (9.364, 213.795), ("H2O", 298.15): (9.904, 188.834),
    ("O2", 1000.0): (31.386, 243.578), ("CO2", 1000.0): (42.769, 269.299), ("H2O", 1000.0): (35.904, 232.738),
}  # fmt: skip


@pytest.mark.parametrize(("formula", "temperature"), JANAF)
def test_free_energies_are_those_of_the_tables(formula: str, temperature: float) -> None:
    enthalpy, entropy = JANAF[formula, temperature]
    expected = (enthalpy - temperature * entropy / 1000) * KJ_PER_MOL_EV
    within = 0.002 if temperature < 300 else 0.02  # anharmonicity of what is hot
    assert free_energy_ev(formula, temperature, 1.0) == pytest.approx(expected, abs=within)


def test_ten_times_the_pressure_is_kt_ln_ten() -> None:
    assert free_energy_ev("O2", 500, 10.0) - free_energy_ev("O2", 500, 1.0) == pytest.approx(
        8.617333e-5 * 500 * 2.302585
    )


def test_oxygen_is_its_elemental_reference() -> None:
    assert gas_of(seed_phases(), "O2").energy_ev == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("formula", AIR)
def test_a_temperature_shifts_the_energy(formula: str) -> None:
    cold, warm = gas_of(seed_phases(), formula), gas_of(seed_phases(), formula, 298.15)
    assert cold.shift_ev == 0.0
    assert warm.energy_ev == pytest.approx(cold.energy_ev + free_energy_ev(formula, 298.15))


def test_without_molecules_there_is_no_co2() -> None:
    every = load_references()
    assert gas_of(every, "CO2").energy_ev < -4, "dry ice is among the reported compounds"
    phases = every.take([i for i, f in enumerate(every.formulas) if f != "CO2"])
    assert gas_of(phases, "O2").energy_ev == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(MissingReferenceError, match="gnome-lite seed gases"):
        gas_of(phases, "CO2")


def test_molecules_of_another_level_are_refused() -> None:
    references = load_references()
    (first, *_) = load_molecules(Settings(home=Path("/none")), references.level)
    with pytest.raises(LevelMismatchError, match="holds one level"):
        references.with_molecules([replace(first, level="other")])


@pytest.mark.parametrize(("formula", "temperature"), [("N2", None), ("O2", -5.0), ("O2", float("nan"))])
def test_bad_gases_are_refused(formula: str, temperature: float | None) -> None:
    with pytest.raises(ConfigError):
        gas_of(seed_phases(), formula, temperature)
