"""How well reference phases cover chemical systems: a hull means no more than the compounds that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.origins import Origin, coverage_in_words, origins
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
        """In one line, e.g. "Fe-Li-O: 12 reported and 31 hypothetical compounds"."""
        said = f"{self.system}: {coverage_in_words(self.reported, self.hypothetical)}"
        return f"{said}; none with {', '.join(self.alone)}" if self.alone else said


def coverage_of(phases: PhaseSet, system: Sequence[str]) -> SystemCoverage:
    """Return how many reference compounds there are within some elements; a single element needs none."""
    return next(iter(coverage_by_system(phases, [system]).values()))


def coverage_by_system(phases: PhaseSet, systems: Iterable[Sequence[str]]) -> dict[str, SystemCoverage]:
    """Return how many reference compounds there are within each chemical system, by its name.

    Args:
        phases: reference phases; what else was verified here is not counted.
        systems: elements of each system, as symbols.
    """
    present = phases.counts > 0
    compound = phases.is_reference & (present.sum(axis=1) > 1)
    reported = np.array([origin is Origin.REPORTED for origin in origins(phases)], dtype=bool)
    found = {}
    for system in systems:
        others = np.ones(present.shape[1], dtype=bool)
        others[[atomic_number(e) for e in system]] = False
        within = compound & ~present[:, others].any(axis=1)
        held = present[within].any(axis=0)
        alone = tuple(e for e in system if not held[atomic_number(e)]) if len(system) > 1 else ()
        of_reported, name = int((within & reported).sum()), "-".join(sorted(system))
        found[name] = SystemCoverage(name, of_reported, int(within.sum()) - of_reported, alone)
    return found


def coverage_figures(phases: PhaseSet, systems: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the number of reported and of hypothetical compounds within systems such as "Fe-Li-O", as figures."""
    found = coverage_by_system(phases, (system.split("-") for system in sorted(systems)))
    return {name: (coverage.reported, coverage.hypothetical) for name, coverage in found.items()}


def missing_reference(decomposition_ev_per_atom: float | None) -> str:
    """Return what a crystal far below all other phases tells of the hull; "" for others, or None."""
    if decomposition_ev_per_atom is None or decomposition_ev_per_atom >= -MISSING_REFERENCE_EV_PER_ATOM:
        return ""
    depth = f"{-1000 * decomposition_ev_per_atom:.0f} meV/atom below all other phases"
    return f"{depth}: a reference phase is probably missing"
