"""What a reference set takes, and what it refuses by name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal, atomic_number
from gnome_lite.core.errors import LevelMismatchError, SourceError
from gnome_lite.core.licences import permissive
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase


def entry(entry_id: str, elements: str, ev_per_atom: float, level: str = "L", licence: str = "CC0") -> Phase:
    numbers = [atomic_number(el) for el in elements.split()]
    crystal = Crystal.make(numbers, np.random.default_rng(0).random((len(numbers), 3)), 4.0 * np.eye(3))
    return Phase(entry_id, crystal, ev_per_atom * len(numbers), level, "test", licence)


LI, OXYGEN, LI2O = entry("Li", "Li", -1.9), entry("O", "O O", -4.9), entry("Li2O", "Li Li O", -4.8)


def test_levels_are_never_mixed_and_never_missing() -> None:
    with pytest.raises(LevelMismatchError, match=r"levels L, M in one reference set"):
        PhaseSet.make([LI, entry("O", "O", -4.9, level="M")])
    with pytest.raises(SourceError, match=r"Li has no level of theory: name the one"):
        PhaseSet.make([entry("Li", "Li", -1.9, level=" ")])
    with pytest.raises(SourceError, match=r"reference set is empty"):
        PhaseSet.make([])


@pytest.mark.parametrize("energy", [math.nan, math.inf])
def test_an_energy_that_is_none_is_refused(energy: float) -> None:
    with pytest.raises(SourceError, match=r"bad has no finite energy: remove or recompute it"):
        PhaseSet.make([LI, OXYGEN, LI2O, entry("bad", "Li O", energy)])


@pytest.mark.parametrize("energy", [-100.0, -60.0])
def test_an_absurd_element_is_refused_by_name(energy: float) -> None:
    """Pure lithium at -100 eV/atom would put Li2O 62 eV/atom above the hull."""
    with pytest.raises(SourceError, match=rf"reference bad, pure Li at {energy:.1f} eV/atom.*remove or recompute it"):
        PhaseSet.make([LI, OXYGEN, LI2O, entry("bad", "Li Li", energy)])


def test_an_all_electron_scale_is_not_absurd() -> None:
    """Total energies of another zero are large, and formation energies are not."""
    shift = {"Li": -200.0, "O": -2000.0}
    made = PhaseSet.make(
        [
            entry("Li", "Li", -1.9 + shift["Li"]),
            entry("O", "O O", -4.9 + shift["O"]),
            entry("Li2O", "Li Li O", -4.8 + (2 * shift["Li"] + shift["O"]) / 3),
        ]
    )
    np.testing.assert_allclose(made.e_form_ev_per_atom, PhaseSet.make([LI, OXYGEN, LI2O]).e_form_ev_per_atom, atol=1e-9)


@pytest.mark.parametrize("licence", ["CC BY 4.0", "CC-BY-4.0", "cc0", "CC0-1.0", "MIT", "Public Domain", "PDDL-1.0"])
def test_permissive_licences(licence: str) -> None:
    assert permissive(licence)


@pytest.mark.parametrize("licence", ["CC BY-NC 4.0", "CC BY-SA 4.0", "CC BY-ND 4.0", "not stated", "", "proprietary"])
def test_other_licences_are_not_permissive(licence: str) -> None:
    assert not permissive(licence)


def test_entries_of_other_licences_are_left_out() -> None:
    from gnome_lite.sources.combined import CombinedSource

    class Fixed:
        def load(self) -> PhaseSet:
            return PhaseSet.make(
                [
                    LI,
                    OXYGEN,
                    LI2O,
                    entry("nc", "Li O", -3.0, licence="CC BY-NC 4.0"),
                    entry("x", "Li O O O", -3.0, licence=""),
                ]
            )

    everything, restricted = CombinedSource([Fixed()]), CombinedSource([Fixed()], permissive_only=True)
    assert everything.load().licence_counts == {"CC0": 3, "CC BY-NC 4.0": 1, "": 1}
    assert [e.id for e in restricted.load()] == ["Li", "Li2O", "O"]

    class Closed:
        def load(self) -> PhaseSet:
            return PhaseSet.make([entry("Li", "Li", -1.9, licence="not stated")])

    with pytest.raises(SourceError, match=r"no reference has a permissive licence \(not stated\)"):
        CombinedSource([Closed()], permissive_only=True).load()
