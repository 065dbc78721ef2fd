"""Known crystals by prototype: the nearest analogue of a new crystal, and whether its prototype is new."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Credibility
from gnome_lite.novelty.disorder import Disorder
from gnome_lite.novelty.plausibility import flags
from gnome_lite.novelty.prototype import parse

OFF_SCALE = 1000.0
"""Distance of an element that is not on the modified Pettifor scale from any other: farther than all that are."""


class PrototypeDatabase:
    """Known crystals by prototype, and with near-identical elements made one."""

    def __init__(self) -> None:
        self._disorder = Disorder()
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._elements: dict[str, list[tuple[int, ...]]] = defaultdict(list)

    def add(self, id: str, crystal: Crystal, fingerprint: str) -> None:
        """Add a known crystal of any formula."""
        self._disorder.add(id, crystal)
        found = parse(fingerprint)
        if found.label:
            self._ids[found.label].append(id)
            self._elements[found.label].append(found.roles[0])

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        """Whether nature would make a crystal as it was calculated.

        A crystal whose symmetry cannot be found has no analogue, and no new prototype either.
        """
        label = parse(fingerprint).label
        return Credibility(
            ordering_suspect=self._disorder.suspect(crystal),
            flags=flags(crystal),
            analogue=self._analogue(fingerprint),
            new_prototype=bool(label) and label not in self._ids,
        )

    def _analogue(self, fingerprint: str) -> str | None:
        """Known crystal of the same prototype whose elements, role by role, are nearest on the Pettifor scale."""
        mine = parse(fingerprint)
        if mine.label not in self._ids:
            return None
        # Where roles are interchangeable, each order of one's own elements is held against one order of theirs.
        theirs = np.array(self._elements[mine.label])
        apart = np.min([_distance(np.array(order), theirs).sum(axis=1) for order in mine.roles], axis=0)
        return self._ids[mine.label][int(np.argmin(apart))]


def _distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Places between elements on the modified Pettifor scale (Glawe et al., New J. Phys. 18, 093011 (2016))."""
    scale = modified_pettifor()
    places = np.abs(scale[a] - scale[b]).astype(np.float64)
    return np.where(a == b, 0.0, np.where((scale[a] == 0) | (scale[b] == 0), OFF_SCALE, places))
