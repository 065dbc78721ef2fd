"""A reference phase as a stored crystal: what is known of it is there, and nothing is made up."""

from __future__ import annotations

from dataclasses import fields

from samples.small_campaign import references

from gnome_lite.stability.hull import build_hull
from gnome_lite.store.query import StoredCrystal
from gnome_lite.store.reference_form import stored_form


def test_what_is_known_of_a_reference() -> None:
    phases = references()
    phase = phases[0]
    (place,) = build_hull(phases).verdicts([phase.id])
    stored = stored_form(phase, place)
    assert (stored.id, stored.level, stored.energy_ev) == (phase.id, phase.level, phase.energy_ev)
    assert stored.e_above_hull_ev_per_atom == 0.0
    assert stored.stable
    assert stored.space_group_number == 221
    assert stored.change == "test (CC0)"
    alone = stored_form(phase, None)
    assert alone.stable is None
    assert {f.name for f in fields(StoredCrystal) if getattr(stored, f.name) != getattr(alone, f.name)} <= {
        "e_form_ev_per_atom", "e_above_hull_ev_per_atom", "decomposition_ev_per_atom", "products", "hull_id",
    }  # fmt: skip
