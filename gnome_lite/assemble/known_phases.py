"""A reference phase by its id, wherever a home has it: among a campaign's references, or in a set of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gnome_lite.assemble.reference_sets import named_sets
from gnome_lite.assemble.references import open_phases
from gnome_lite.core.errors import MissingReferenceError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase
from gnome_lite.pipeline import HullVerdict
from gnome_lite.settings import Settings


class KnownPhase(NamedTuple):
    """A reference phase and its place.

    Attributes:
        place: relative to the other phases it was found beside; None where an element of it has no reference there.
        reference_set_id: id of these.
    """

    phase: Phase
    place: HullVerdict | None
    reference_set_id: str


def find_reference(prefix: str, settings: Settings) -> KnownPhase:
    """Return the reference phase whose id is, or alone begins with, `prefix`.

    The references of the campaign begun last are looked through first (of the bundled seed where there is none), then
    the sets of the home.

    Raises:
        SourceError: if there is none, or more than one in the first place that has any.
    """
    from gnome_lite.stability.hull import build_hull

    for phases in _places(settings):
        found = [i for i in phases.references.ids if i.startswith(prefix)] if prefix else []
        found = [prefix] if prefix in found else found
        if len(found) > 1:
            some = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            raise SourceError(f"{prefix!r} begins more than one id ({some}): give more of it")
        if found:
            phase = phases[phases.index(found[0])]
            around = phases.within(phase.crystal.chemical_system.split("-"))
            try:
                (place,) = build_hull(around).verdicts(found)
            except MissingReferenceError:
                return KnownPhase(phase, None, phases.id)
            return KnownPhase(phase, place, phases.id)
    raise SourceError(f"no reference {prefix!r}: `gnome-lite references list` names the sets of this home")


def _places(settings: Settings) -> Iterator[PhaseSet]:
    """Yield the phases of the last campaign, then each set of the home beside those of them that are of its level."""
    phases = open_phases(settings)
    yield phases
    for named in named_sets(settings):
        own = named.read()
        if own[0].level == phases.level:
            yield PhaseSet.make([*(p for p in phases.references if p.id not in {o.id for o in own}), *own])
        else:
            yield PhaseSet.make(own)
