"""Reference crystals by prototype: the nearest analogue of a new crystal, and whether its prototype is new.

They also tell which ordered crystals nature would most likely give as a solid solution. Many predicted crystals order
elements that mix freely (two lanthanides, Zr and Hf, ...) and are artefacts of calculating at 0 K without disorder:
Cheetham & Seshadri, Chem. Mater. 36, 3490 (2024), doi 10.1021/acs.chemmater.4c00643.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.elements import merged
from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Credibility
from gnome_lite.novelty.fingerprint import SYMPREC_ANG
from gnome_lite.novelty.matcher.index import SameCrystals
from gnome_lite.novelty.matcher.pairs import same
from gnome_lite.novelty.plausibility import flags, symmetry_per_atom
from gnome_lite.novelty.prototype import parse

OFF_SCALE = 1000.0
"""Distance of an element that is not on the modified Pettifor scale from any other: farther than all that are."""


class PrototypeDatabase:
    """Reference crystals by prototype, and with near-identical elements made one."""

    def __init__(self) -> None:
        self._merged = SameCrystals()
        self._crystals: dict[str, Crystal] = {}
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._elements: dict[str, list[tuple[int, ...]]] = defaultdict(list)

    def add(self, id: str, crystal: Crystal, fingerprint: str) -> None:
        """Add a reference crystal of any formula."""
        self._crystals[id] = crystal
        self._merged.add(id, _with_elements_merged(crystal))
        found = parse(fingerprint)
        if found.label:
            self._ids[found.label].append(id)
            self._elements[found.label].append(found.roles[0])

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        """Return whether nature would make a crystal as it was calculated.

        A crystal whose symmetry cannot be found has no analogue, and no new prototype either.
        """
        label = parse(fingerprint).label
        return Credibility(
            ordering_suspect=self._ordering_suspect(crystal),
            flags=flags(crystal),
            analogue=self._analogue(fingerprint),
            new_prototype=bool(label) and label not in self._ids,
        )

    def _ordering_suspect(self, crystal: Crystal) -> bool:
        """Return whether a crystal looks like an artificial ordering of a solid solution.

        Only one that holds two elements of a near-identical group can be. It is suspect if its symmetry rises when
        they are taken for one element, or if it then equals a reference crystal that it does not equal as it is.
        """
        blurred = _with_elements_merged(crystal)
        if len(np.unique(blurred.numbers)) == len(np.unique(crystal.numbers)):
            return False
        risen, as_is = (symmetry_per_atom(symmetry(c, SYMPREC_ANG)) for c in (blurred, crystal))
        if risen > as_is * (1 + 1e-9):
            return True
        return any(not same(self._crystals[id], crystal) for id in self._merged.matches(blurred))

    def _analogue(self, fingerprint: str) -> str | None:
        """Return the reference crystal of the same prototype whose elements, role by role, are nearest on the scale."""
        mine = parse(fingerprint)
        if mine.label not in self._ids:
            return None
        # Where roles are interchangeable, each order of one's own elements is held against one order of theirs.
        theirs = np.array(self._elements[mine.label])
        apart = np.min([_distance(np.array(order), theirs).sum(axis=1) for order in mine.roles], axis=0)
        return self._ids[mine.label][int(np.argmin(apart))]


def _with_elements_merged(crystal: Crystal) -> Crystal:
    return Crystal(merged(crystal.numbers), crystal.frac_coords, crystal.lattice)


def _distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return places between elements on the modified Pettifor scale (see `chemistry.similarity`)."""
    scale = modified_pettifor()
    places = np.abs(scale[a] - scale[b]).astype(np.float64)
    return np.where(a == b, 0.0, np.where((scale[a] == 0) | (scale[b] == 0), OFF_SCALE, places))
