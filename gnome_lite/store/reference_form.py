"""A reference phase in the form of a stored crystal: what `export` writes of it."""

from __future__ import annotations

from gnome_lite.core.records import Phase
from gnome_lite.pipeline import HullVerdict
from gnome_lite.store.query import StoredCrystal
from gnome_lite.store.rows import shape_of

GENERATOR = "reference"


def stored_form(phase: Phase, place: HullVerdict | None) -> StoredCrystal:
    """Return a reference as a crystal of no campaign, whose change is the source that it comes from.

    Args:
        phase: reference phase.
        place: its place on the hull of its level; None where an element has no reference.
    """
    crystal = phase.crystal
    unknown = dict.fromkeys(
        (
            "novel",
            "novelty",
            "nearest_known",
            "ordering_suspect",
            "prototype",
            "new_prototype",
            "analogue",
            "p_stable",
            "model_id",
        )
    )
    predicted = dict.fromkeys(
        ("predicted_e_form_ev_per_atom", "spread_ev_per_atom", "predicted_e_above_hull_ev_per_atom")
    )
    return StoredCrystal(
        id=phase.id,
        formula=crystal.reduced_formula,
        n_sites=len(crystal),
        **shape_of(crystal),
        e_form_ev_per_atom=None if place is None else place.e_form_ev_per_atom,
        decomposition_ev_per_atom=None if place is None else place.decomposition_ev_per_atom,
        e_above_hull_ev_per_atom=None if place is None else place.e_above_hull_ev_per_atom,
        products=() if place is None else place.products,
        flags=(),
        level=phase.level,
        hull_id=None if place is None else place.hull_id,
        campaign="",
        round=0,
        parent_id="",
        generator=GENERATOR,
        change=f"{phase.source} ({phase.licence})",
        **unknown,
        **predicted,
        chemical_system=crystal.chemical_system,
        energy_ev=phase.energy_ev,
        crystal=crystal,
        input_crystal=crystal,
    )
