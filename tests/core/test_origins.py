"""Origins of phases: the table's are reported, whatever else is not. Covers `verified_batch`, which grows them."""

from __future__ import annotations

from samples.phase_sets import phases_of

from gnome_lite.core.origins import Origin, is_reported, origins


def test_only_the_tables_sources_are_reported() -> None:
    assert is_reported("reported: halite, rock-salt type")
    assert not any(map(is_reported, ("gnome_lite seed, prototypes", "Materials Project", "gnome_lite, verified", "")))


def test_a_compound_computed_at_another_level_stays_reported() -> None:
    assert is_reported("computed here, from reported: halite, rock-salt type")
    assert not is_reported("computed here, from gnome_lite seed, prototypes")


def test_elements_are_reported_and_what_is_verified_is_found() -> None:
    found = origins(phases_of([({"Na": 1}, 0.0), ({"Na": 1, "Cl": 1}, -2.0), ({"Cl": 1}, 0.0)], [True, False, True]))
    assert found == (Origin.REPORTED, Origin.REPORTED, Origin.FOUND)
    assert origins(phases_of([({"Na": 1, "Cl": 1}, -2.0)])) == (Origin.HYPOTHETICAL,), "its source says nothing"
