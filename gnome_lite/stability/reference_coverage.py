"""How well reference phases cover chemical systems: a hull means no more than the compounds that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.origins import is_reported
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import MISSING_REFERENCE_EV_PER_ATOM


@dataclass(frozen=True, slots=True)
class SystemCoverage:
    """Reference compounds within one chemical system, its subsystems included; elements are not counted.

    Attributes:
        reported, hypothetical: compounds that somebody has reported, and others that were only computed.
        alone: elements of the system that no compound within it holds.
    """

    system: str
    reported: int
    hypothetical: int
    alone: tuple[str, ...]

    def __str__(self) -> str:
        """In one line, e.g. "Li-Fe-O: 12 reported and 31 hypothetical compounds"."""
        said = f"{self.system}: {self.reported} reported and {self.hypothetical} hypothetical compounds"
        return f"{said}; none with {', '.join(self.alone)}" if self.alone else said


def coverage_of(references: PhaseSet, system: Sequence[str]) -> SystemCoverage:
    """Return how many compounds a reference set has within some elements; a single element needs none."""
    present = references.counts > 0
    within = references.crystals.within(system) & (present.sum(axis=1) > 1)
    known = np.array([is_reported(references.sources[i]) for i in np.flatnonzero(within)], dtype=bool)
    held = present[within].any(axis=0)
    alone = tuple(e for e in system if not held[atomic_number(e)]) if len(system) > 1 else ()
    return SystemCoverage("-".join(sorted(system)), int(known.sum()), int((~known).sum()), alone)


def missing_reference(decomposition_ev_per_atom: float | None) -> str:
    """Return what a crystal far below all other phases tells of the hull; "" for others, or None."""
    if decomposition_ev_per_atom is None or decomposition_ev_per_atom >= -MISSING_REFERENCE_EV_PER_ATOM:
        return ""
    depth = f"{-1000 * decomposition_ev_per_atom:.0f} meV/atom below all other phases"
    return f"{depth}: a reference phase is probably missing"
