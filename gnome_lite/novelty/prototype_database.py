"""Reference crystals by prototype: the nearest analogue of a new crystal, and whether its prototype is new.

They also tell which ordered crystals nature would most likely give as a solid solution. Many predicted crystals order
elements that mix freely (two lanthanides, Zr and Hf, ...) and are artefacts of calculating at 0 K without disorder:
Cheetham & Seshadri, Chem. Mater. 36, 3490 (2024), doi 10.1021/acs.chemmater.4c00643.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.elements import merged
from gnome_lite.chemistry.similarity import modified_pettifor
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import Credibility
from gnome_lite.novelty.fingerprint import SYMPREC_ANG
from gnome_lite.novelty.matcher.index import SameCrystals
from gnome_lite.novelty.matcher.pairs import same
from gnome_lite.novelty.plausibility import flags, symmetry_per_atom
from gnome_lite.novelty.prototype import parse

OFF_SCALE = 1000.0
"""Distance of an element that is not on the modified Pettifor scale from any other: farther than all that are."""


class PrototypeDatabase:
    """Reference crystals by prototype, and with near-identical elements made one.

    A fingerprint is taken apart only when a crystal of its Pearson symbol and space group is asked about: to take all
    of a large store apart would cost more than a round.
    """

    def __init__(self) -> None:
        self._merged = SameCrystals()
        self._crystals: dict[str, Crystal] = {}
        self._waiting: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._elements: dict[str, list[tuple[int, ...]]] = defaultdict(list)

    def extend(self, ids: Sequence[str], crystals: CrystalBatch, fingerprints: Sequence[str]) -> None:
        """Add reference crystals of any formulas, [n]."""
        self._crystals.update(zip(ids, crystals, strict=True))
        self._merged.extend(ids, replace(crystals, numbers=merged(crystals.numbers)))
        for id, fingerprint in zip(ids, fingerprints, strict=True):
            self._waiting[_kind(fingerprint)].append((id, fingerprint))

    def credibility(self, crystal: Crystal, fingerprint: str) -> Credibility:
        """Return whether nature would make a crystal as it was calculated.

        A crystal whose symmetry cannot be found has no analogue, and no new prototype either.
        """
        label = self._label(fingerprint)
        return Credibility(
            ordering_suspect=self._ordering_suspect(crystal),
            flags=flags(crystal),
            analogue=self._analogue(fingerprint),
            new_prototype=bool(label) and label not in self._ids,
        )

    def _label(self, fingerprint: str) -> str:
        """Return a fingerprint's prototype, once all reference crystals that may have the same are taken apart."""
        for id, other in self._waiting.pop(_kind(fingerprint), ()):
            found = parse(other)
            if found.label:
                self._ids[found.label].append(id)
                self._elements[found.label].append(found.roles[0])
        return parse(fingerprint).label

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


def _kind(fingerprint: str) -> str:
    """Return Pearson symbol and space group, e.g. "cF8_225" of "NaCl|cF8_225_a_b"; "" where there are none."""
    return "_".join(fingerprint.partition("|")[2].split("_")[:2])


def _with_elements_merged(crystal: Crystal) -> Crystal:
    return Crystal(merged(crystal.numbers), crystal.frac_coords, crystal.lattice)


def _distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return places between elements on the modified Pettifor scale (see `chemistry.similarity`)."""
    scale = modified_pettifor()
    places = np.abs(scale[a] - scale[b]).astype(np.float64)
    return np.where(a == b, 0.0, np.where((scale[a] == 0) | (scale[b] == 0), OFF_SCALE, places))
