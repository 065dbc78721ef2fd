"""Where a phase comes from, as its source says: reported by somebody, only computed, or found here."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnome_lite.core.phases import PhaseSet

REPORTED, MATERIALS_PROJECT = "reported", "Materials Project"
"""Beginnings of sources: of the project's own table, and of the Materials Project's entries."""

COMPUTED_HERE = "computed here, from "
"""Beginning of the source of a phase whose energy is of another level than its source's, which follows."""


class Origin(StrEnum):
    """What a phase is evidence of.

    REPORTED: a reference that somebody has reported, and every elemental reference: elements are reported by nobody's
        table and doubted by nobody.
    HYPOTHETICAL: any other reference; it was computed, and whether somebody has made it is not said.
    FOUND: verified here.
    """

    REPORTED = "reported"
    HYPOTHETICAL = "hypothetical"
    FOUND = "found"


def is_reported(source: str) -> bool:
    """Return whether a phase of this source is a compound of the table of reported ones, at whatever level."""
    return source.removeprefix(COMPUTED_HERE).startswith(REPORTED)


def coverage_in_words(reported: int, hypothetical: int) -> str:
    """Return the number of reference compounds as text: "12 reported and 31 hypothetical compounds"."""
    return f"{reported} reported and {hypothetical} hypothetical compounds"


def origins(phases: PhaseSet) -> tuple[Origin, ...]:
    """Return the origin of each phase, [n]."""
    elemental = (phases.counts > 0).sum(axis=1) == 1
    of_reference = (
        Origin.REPORTED if element or is_reported(source) else Origin.HYPOTHETICAL
        for source, element in zip(phases.sources[: phases.n_references], elemental.tolist(), strict=False)
    )
    return (*of_reference, *[Origin.FOUND] * (len(phases) - phases.n_references))
