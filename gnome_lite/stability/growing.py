"""The systems of entries that grow: each is worked out when it is first asked for, and kept until entries change it.

A system is worked out after its subsystems, because on a face of the composition simplex its hull is theirs: of their
phases only the corners matter. So it rests on these and on the entries of all its elements. For hull energies alone
that is not needed: one enumeration of all its phases is quicker than theirs and its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import symbol
from gnome_lite.errors import MissingReferenceError
from gnome_lite.stability.entries import Elements, Entries, elements_of, fractions_of, key_of
from gnome_lite.stability.facets import LowerHull, lower_hull, lower_hulls
from gnome_lite.stability.systems import System

FACETS_MAX_ELEMENTS = 5

_SYSTEMS_KEPT = 4096
_SYSTEMS_AT_ONCE = 256


class GrowingSystems:
    """Hulls of entries by system; entries are added by `append` alone."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._systems: dict[int, System] = {}
        self._corners: dict[int, NDArray[np.int64]] = {}
        self._facets: dict[int, LowerHull | None] = {}

    def of(self, elements: Elements) -> System:
        """The phases that can matter within some atomic numbers, ascending.

        Raises:
            MissingReferenceError: if one of them has no entry of its own.
        """
        key = key_of(elements)
        found = self._systems.get(key)
        if found is None:
            found = self._work_out(elements)
            _make_room(self._systems)
            self._systems[key] = found
            self._corners[key] = found.corners
        return found

    def append(self, entry_id: str, counts: NDArray[np.int64], e_form_ev_per_atom: float) -> list[int]:
        """Add an entry with atom counts [MAX_Z + 1].

        Returns:
            Systems whose entries may stand differently now: the entry's own, and if its hull has other corners, those
            with more elements, too; none if the entry is not let in.

        Raises:
            MissingReferenceError: if one of its elements has no entry.
            ValueError: if the id is an entry's already.
        """
        elements = tuple(np.flatnonzero(counts).tolist())
        key = key_of(elements)
        if len(elements) > 1:
            self._require(elements)
        before = self._corners_of(key) if key in self._entries.systems else np.empty(0, np.int64)
        self._entries.append(entry_id, counts, e_form_ev_per_atom)
        if not self._entries.let_in[-1]:
            return []
        self._facets = {k: facets for k, facets in self._facets.items() if k & key != key}
        self._forget(key)
        after = self._corners_of(key)
        if len(elements) > 1 and np.array_equal(np.sort(before), np.sort(after)):
            return [key]
        for wider in [k for k in self._corners if k & key == key and k != key]:
            self._forget(wider)
        return [k for k in self._entries.systems if k & key == key]

    def hull_energies(
        self, counts: NDArray[np.integer], groups: Sequence[tuple[Elements, NDArray[np.int64]]]
    ) -> NDArray[np.float64]:
        """Energy of the hull at compositions [n, MAX_Z + 1] that are grouped `by_system`, eV/atom, [n].

        Raises:
            MissingReferenceError: if an element has no entry of its own.
        """
        out = np.empty(len(counts))
        for some in _alike(groups):
            sizes = [len(rows) for _, rows in some]
            rows = np.concatenate([rows for _, rows in some])
            targets = fractions_of(counts, rows, np.repeat([elements for elements, _ in some], sizes, axis=0))
            start = 0
            for (elements, own), facets in zip(some, self._enumerated([elements for elements, _ in some]), strict=True):
                here = targets[start : start + len(own)]
                out[own] = self.of(elements).hull_energies(here) if facets is None else facets.energies(here)
                start += len(own)
        return out

    def _enumerated(self, systems: Sequence[Elements]) -> list[LowerHull | None]:
        """Facets of systems of as many elements each; None where that is not the way."""
        if len(systems[0]) > FACETS_MAX_ELEMENTS:
            return [None] * len(systems)
        keys = [key_of(elements) for elements in systems]
        found = {key: self._systems[key].facets for key in keys if key in self._systems}
        found.update((key, self._facets[key]) for key in keys if key in self._facets)
        missing = [elements for elements, key in zip(systems, keys, strict=True) if key not in found]
        if missing:
            self._require({z for elements in missing for z in elements})
            inside = [self._entries.within(elements) for elements in missing]
            lowest = iter(self._entries.lowest(list(chain.from_iterable(inside))))
            phases = [np.concatenate([next(lowest)[0] for _ in parts]) for parts in inside]
            sizes = list(map(len, phases))
            entries = np.concatenate(phases)
            fractions = self._entries.fractions(entries, np.repeat(missing, sizes, axis=0))
            hulls = lower_hulls(fractions, self._entries.e_form[entries], sizes)
            new = dict(zip(map(key_of, missing), hulls, strict=True))
            _make_room(self._facets, len(new))
            self._facets.update(new)
            found.update(new)
        return [found[key] for key in keys]

    def _work_out(self, elements: Elements) -> System:
        whole = key_of(elements)
        self._require(elements)
        inside = self._entries.within(elements)
        lowest = dict(zip(inside, self._entries.lowest(inside), strict=True))
        parts = [lowest[1 << z][0] for z in elements]
        parts += [self._corners_of(k) for k in inside if k != whole and k & (k - 1)]
        n_others = sum(map(len, parts))
        nothing = np.empty(0, np.int64), np.empty(0, np.int64)
        own, runners_up = lowest.get(whole, nothing) if len(elements) > 1 else nothing
        entries = np.concatenate([*parts, own])
        fractions, energies = self._entries.fractions(entries, elements), self._entries.e_form[entries]
        facets = lower_hull(fractions, energies) if len(elements) <= FACETS_MAX_ELEMENTS else None
        return System(elements, entries, n_others, runners_up, fractions, energies, facets)

    def _require(self, elements: Iterable[int]) -> None:
        for z in elements:
            if 1 << z not in self._entries.systems:
                raise MissingReferenceError(
                    f"no phase of pure {symbol(z)} in the hull at level {self._entries.level}: "
                    f"add a crystal of {symbol(z)} at this level to the sources"
                )

    def _corners_of(self, key: int) -> NDArray[np.int64]:
        """`System.corners` of a system, [m]."""
        if key not in self._corners:
            self.of(elements_of(key))
        return self._corners[key]

    def _forget(self, key: int) -> None:
        self._systems.pop(key, None)
        self._corners.pop(key, None)


def _make_room(kept: dict[int, Any], n: int = 1) -> None:
    """Drop the oldest, so that n more may be kept."""
    for key in list(islice(kept, max(0, len(kept) + n - _SYSTEMS_KEPT))):
        del kept[key]


def _alike(
    groups: Sequence[tuple[Elements, NDArray[np.int64]]],
) -> Iterator[Sequence[tuple[Elements, NDArray[np.int64]]]]:
    """Systems of as many elements, not too many at once."""
    for _, alike in groupby(sorted(groups, key=lambda group: len(group[0])), key=lambda group: len(group[0])):
        while some := list(islice(alike, _SYSTEMS_AT_ONCE)):
            yield some
