"""What a hull rests on: compounds within a system, elements without any, crystals far below all others."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase, Verification
from gnome_lite.stability.reference_coverage import coverage_figures, coverage_of, missing_reference


def phases() -> PhaseSet:
    rows = [((3,), "elements"), ((8,), "elements"), ((26,), "elements"), ((57,), "elements")]
    rows += [((3, 3, 8), "reported: fluorite type"), ((26, 8), "gnome_lite seed, random"), ((3, 57), "reported: x")]
    made = []
    for k, (z, source) in enumerate(rows):
        crystal = Crystal.make(z, np.random.default_rng(k).random((len(z), 3)), 4 * np.eye(3))
        made.append(Phase(f"p{k}", crystal, -len(z), "l", source, ""))
    return PhaseSet.make(made)


def test_reported_and_hypothetical_compounds_are_told_apart() -> None:
    found = coverage_of(phases(), ("Li", "Fe", "O"))
    assert (found.system, found.reported, found.hypothetical, found.alone) == ("Fe-Li-O", 1, 1, ())
    assert str(found) == "Fe-Li-O: 1 reported and 1 hypothetical compounds"


def test_many_systems_at_once_and_what_was_verified_here_is_no_reference() -> None:
    crystal = Crystal.make((3, 8), np.random.default_rng(9).random((2, 3)), 4 * np.eye(3))
    grown = phases().add([Verification("found", crystal, -9.0, 0.01, 1, True, "l", 1.0)])
    for some in (phases(), grown):
        assert coverage_figures(some, ["Li-O", "Fe-O", "Li-Fe-O"]) == {
            "Li-O": (1, 0), "Fe-O": (0, 1), "Fe-Li-O": (1, 1)
        }  # fmt: skip


def test_an_element_without_a_compound_in_the_system_is_named() -> None:
    """LaLi is outside La-Fe-O."""
    systems = [("La", "Fe", "O"), ("Li", "O"), ("Li",)]
    (found,) = [c for c in (coverage_of(phases(), s) for s in systems) if c.alone]
    assert found.alone == ("La",)
    assert str(found).endswith("none with La")


@pytest.mark.parametrize(("energy", "said"), [(0.2, ""), (-0.02, ""), (-0.1, ""), (-0.412, "412 meV/atom below")])
def test_far_below_all_others_a_reference_is_missing(energy: float, said: str) -> None:
    assert missing_reference(energy).startswith(said)
    assert bool(missing_reference(energy)) == bool(said)
