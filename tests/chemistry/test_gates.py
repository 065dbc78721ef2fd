"""Every cause of refusal, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnome_lite.chemistry.gates import PreGate
from gnome_lite.config import Gates, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number

MAX_ATOMS = 20


def rock_salt(cation: str, anion: str, a: float, shift: float = 0.5) -> Crystal:
    lattice = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal.make([atomic_number(cation), atomic_number(anion)], [[0, 0, 0], [shift] * 3], lattice)


def cause(crystal: Crystal, gates: Gates | None = None, max_atoms: int = MAX_ATOMS, **space: object) -> str:
    gate = PreGate(gates or Gates(), Space.model_validate(space), max_atoms)
    return gate.causes(CrystalBatch.from_crystals([crystal]))[0]


def test_real_crystals_pass() -> None:
    real = [rock_salt("Na", "Cl", 5.64), rock_salt("Mg", "O", 4.21), rock_salt("Li", "F", 4.03)]
    assert PreGate(Gates(), Space(), MAX_ATOMS).causes(CrystalBatch.from_crystals(real)) == ["", "", ""]


@pytest.mark.parametrize(
    ("crystal", "expected"),
    [
        (rock_salt("Cs", "Cl", 6.9), "excluded element"),
        (rock_salt("Na", "Cl", 3.2), "too close"),
        (rock_salt("Na", "Cl", 5.64, shift=0.1), "too close"),
        (rock_salt("Na", "Cl", 2.4), "volume per atom"),
        (rock_salt("Na", "Cl", 9.0), "volume per atom"),
        (rock_salt("Na", "O", 5.0), ""),
        (rock_salt("Mg", "Cl", 5.2), "charge"),
        (rock_salt("Na", "Na", 5.2), "too few elements"),
    ],
)
def test_each_cause(crystal: Crystal, expected: str) -> None:
    assert cause(crystal) == expected


@pytest.mark.parametrize(
    ("crystal", "stops", "opened"),
    [
        (rock_salt("Mg", "Cl", 5.2), "charge", {"gates": Gates(charge_balance="off")}),
        (rock_salt("Na", "Cl", 3.2), "too close", {"gates": Gates(min_distance_ratio=0.5)}),
        (
            rock_salt("Na", "Cl", 2.4),
            "volume per atom",
            {"gates": Gates(volume_per_atom_min=1, min_distance_ratio=0.3)},
        ),
        (rock_salt("Na", "Cl", 9.0), "volume per atom", {"gates": Gates(volume_per_atom_max=100)}),
        (rock_salt("Cs", "Cl", 6.9), "excluded element", {"elements": ("Cs", "Cl")}),
        (rock_salt("Th", "C", 5.34), "excluded element", {"elements": ("Th", "C"), "allow_radioactive": True}),
        (rock_salt("Na", "Na", 5.2), "too few elements", {"min_elements": 1}),
    ],
)
def test_each_cause_is_the_only_one(crystal: Crystal, stops: str, opened: dict[str, Any]) -> None:
    elements = {"elements": opened["elements"]} if stops != "excluded element" and "elements" in opened else {}
    assert cause(crystal, **elements) == stops
    assert cause(crystal, **opened) == ""


def test_size_and_number_of_elements_stop_what_nothing_else_does() -> None:
    salt = rock_salt("Na", "Cl", 5.64)
    assert cause(salt, max_atoms=1) == "too many atoms"
    assert cause(salt, max_elements=1, min_elements=1) == "too many elements"
    assert cause(salt, max_atoms=2, max_elements=2) == ""


def test_alloys_pass_whatever_the_rule_of_charges_for_they_have_none() -> None:
    alloy = rock_salt("Ti", "Al", 4.0)
    assert [cause(alloy, Gates(charge_balance=rule)) for rule in ("strict", "relaxed", "off")] == ["", "", ""]


def test_radioactive_elements_need_leave() -> None:
    carbide = rock_salt("Th", "C", 5.34)
    assert cause(carbide, elements=("Th", "C")) == "excluded element"
    assert cause(carbide, elements=("Th", "C"), allow_radioactive=True) == ""


def test_elements_beyond_chgnet_are_never_let_in() -> None:
    assert cause(rock_salt("Cf", "O", 5.0), elements=("Cf", "O"), allow_radioactive=True) == "excluded element"


def test_chemical_systems_decide_where_they_are_named() -> None:
    systems = {"chemical_systems": ("Na-Cl-K", "Mg-O")}
    assert cause(rock_salt("Na", "Cl", 5.64), **systems) == ""
    assert cause(rock_salt("Mg", "O", 4.21), **systems) == ""
    assert cause(rock_salt("Na", "F", 4.63), **systems) == "excluded element"
    # Elements of two systems, but of no one system.
    assert cause(rock_salt("K", "O", 5.5), **systems) == "excluded element"


def test_numbers_that_are_not_finite_are_a_cause_not_an_exception() -> None:
    bad = Crystal(np.array([11, 17]), np.array([[0, 0, 0], [np.nan, 0.5, 0.5]]), np.eye(3) * 4)
    flat = Crystal(np.array([11, 17]), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.diag([4.0, 4.0, 0.0]))
    endless = Crystal(np.array([11, 17]), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.diag([4.0, 4.0, np.inf]))
    good = rock_salt("Na", "Cl", 5.64)
    batch = CrystalBatch.from_crystals([bad, flat, endless, good])
    assert PreGate(Gates(), Space(), MAX_ATOMS).causes(batch) == ["not finite", "volume per atom", "not finite", ""]


def test_no_crystals() -> None:
    assert PreGate(Gates(), Space(), MAX_ATOMS).causes(CrystalBatch.empty()) == []
