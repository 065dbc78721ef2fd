"""Hulls of chemical systems whose entries grow: each is worked out when first needed and kept until entries change it.

A system is worked out after its subsystems, because on a face of the composition simplex its hull is theirs: of their
phases only the corners matter. So it rests on these and on the entries of all its elements. For hull energies alone
that is not needed: one enumeration of all its phases is quicker than theirs and its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import symbol
from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.stability.decomposition import Floats, Indices
from gnome_lite.stability.facets import LowerHull, lower_hulls
from gnome_lite.stability.system_index import Elements, SystemIndex, elements_of, fractions_of, key_of
from gnome_lite.stability.systems import System

FACETS_MAX_ELEMENTS = 5

T = TypeVar("T")

_SYSTEMS_KEPT = 4096
_SYSTEMS_AT_ONCE = 256


class GrowingSystems:
    """Hulls of entries by system; entries are added by `append` alone."""

    def __init__(self, entries: SystemIndex) -> None:
        self._entries = entries
        self._systems: dict[int, System] = {}
        self._corners: dict[int, Indices] = {}
        self._facets: dict[int, LowerHull | None] = {}

    def system(self, elements: Elements) -> System:
        """Return the system of some atomic numbers, ascending.

        Raises:
            MissingReferenceError: if one of them has no entry of its own.
        """
        return self._worked_out([elements])[0]

    def each(self, groups: Iterable[tuple[Elements, Indices]]) -> Iterator[tuple[Elements, Indices, System]]:
        """Yield groups of `by_system`, each with its system, the small ones first."""
        rows = dict(groups)
        for some in _alike(rows):
            for elements, system in zip(some, self._worked_out(some), strict=True):
                yield elements, rows[elements], system

    def append(self, entry_id: str, counts: Indices, e_form_ev_per_atom: float) -> list[int]:
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
        self._forget([key])
        after = self._corners_of(key)
        if len(elements) > 1 and np.array_equal(np.sort(before), np.sort(after)):
            return [key]
        self._forget([k for k in self._corners if k & key == key and k != key])
        return [k for k in self._entries.systems if k & key == key]

    def hull_energies(self, counts: NDArray[np.integer], groups: Iterable[tuple[Elements, Indices]]) -> Floats:
        """Return the energy of the hull at compositions [n, MAX_Z + 1] grouped `by_system`, eV/atom, [n].

        Raises:
            MissingReferenceError: if an element has no entry of its own.
        """
        out = np.empty(len(counts))
        rows = dict(groups)
        for some in _alike(rows):
            sizes = [len(rows[elements]) for elements in some]
            together = np.concatenate([rows[elements] for elements in some])
            targets = fractions_of(counts, together, np.repeat(some, sizes, axis=0))
            start = 0
            for elements, size, facets in zip(some, sizes, self._enumerated(some), strict=True):
                here = targets[start : start + size]
                out[rows[elements]] = (
                    self.system(elements).hull_energies(here) if facets is None else facets.energies(here)
                )
                start += size
        return out

    def _cached(
        self, kept: dict[int, T], systems: Sequence[Elements], known: Mapping[int, T],
        work_out: Callable[[Sequence[Elements], Sequence[Sequence[int]]], Sequence[T]],
    ) -> list[T]:  # fmt: skip
        """Return what is kept of systems of as many elements each, or known; the rest is worked out together."""
        keys = [key_of(elements) for elements in systems]
        found = {**known, **{key: kept[key] for key in keys if key in kept}}
        missing = {key: elements for key, elements in zip(keys, systems, strict=True) if key not in found}
        if missing:
            some = list(missing.values())
            self._require({z for elements in some for z in elements})
            new = dict(zip(missing, work_out(some, [self._entries.within(e) for e in some]), strict=True))
            for key in list(islice(kept, max(0, len(kept) + len(new) - _SYSTEMS_KEPT))):
                del kept[key]
            kept.update(new)
            found.update(new)
        return [found[key] for key in keys]

    def _enumerated(self, systems: Sequence[Elements]) -> list[LowerHull | None]:
        """Return the facets of systems of as many elements each; None where they are too many to enumerate."""
        if len(systems[0]) > FACETS_MAX_ELEMENTS:
            return [None] * len(systems)
        known = {key: self._systems[key].facets for key in map(key_of, systems) if key in self._systems}
        return self._cached(self._facets, systems, known, self._enumerate)

    def _enumerate(self, systems: Sequence[Elements], inside: Sequence[Sequence[int]]) -> list[LowerHull | None]:
        """Enumerate the facets of systems from all phases in the systems inside them."""
        lowest = iter(self._entries.lowest(list(chain.from_iterable(inside))))
        return lower_hulls(*self._together(systems, [np.concatenate([next(lowest)[0] for _ in e]) for e in inside]))

    def _worked_out(self, systems: Sequence[Elements]) -> list[System]:
        """Return systems of as many elements each."""
        return self._cached(self._systems, systems, {}, self._work_out)

    def _work_out(self, systems: Sequence[Elements], inside: Sequence[Sequence[int]]) -> list[System]:
        """Work out systems from the corners of the systems inside them, which are worked out first."""
        parts = {key for some in inside for key in some if key & (key - 1) and key not in self._corners}
        for alike in _alike(map(elements_of, parts.difference(map(key_of, systems)))):
            self._worked_out(alike)
        keys = list(chain.from_iterable(inside))
        lowest = dict(zip(keys, self._entries.lowest(keys), strict=True))
        nothing = np.empty(0, np.int64), np.empty(0, np.int64)
        others, own = [], []
        for elements, within in zip(systems, inside, strict=True):
            whole = key_of(elements)
            corners = [self._corners[key] for key in within if key & (key - 1) and key != whole]
            others.append(np.concatenate([*(lowest[1 << z][0] for z in elements), *corners]))
            own.append(lowest.get(whole, nothing) if len(elements) > 1 else nothing)
        phases = [np.concatenate([rest, new]) for rest, (new, _) in zip(others, own, strict=True)]
        fractions, energies, sizes = self._together(systems, phases)
        enumerated = len(systems[0]) <= FACETS_MAX_ELEMENTS
        facets = lower_hulls(fractions, energies, sizes) if enumerated else [None] * len(systems)
        starts = (np.cumsum(sizes) - sizes).tolist()
        made = [
            System(elements, all_, len(rest), second, fractions[a : a + n], energies[a : a + n], hull)
            for elements, all_, rest, (_, second), a, n, hull in zip(
                systems, phases, others, own, starts, sizes, facets, strict=True
            )
        ]
        self._corners.update((key_of(system.elements), system.corners) for system in made)
        return made

    def _together(self, systems: Sequence[Elements], phases: Sequence[Indices]) -> tuple[Floats, Floats, list[int]]:
        """Return fractions [n, d] and energies [n] of phases, one system after the other, and how many each has."""
        sizes = list(map(len, phases))
        entries = np.concatenate(phases)
        return self._entries.fractions(entries, np.repeat(systems, sizes, axis=0)), self._entries.e_form[entries], sizes

    def _require(self, elements: Iterable[int]) -> None:
        for z in elements:
            if 1 << z not in self._entries.systems:
                raise MissingReferenceError(
                    f"no phase of pure {symbol(z)} in the hull at level {self._entries.level}: "
                    f"add a crystal of {symbol(z)} at this level to the sources"
                )

    def _forget(self, keys: Sequence[int]) -> None:
        for key in keys:
            self._systems.pop(key, None)
            self._corners.pop(key, None)

    def _corners_of(self, key: int) -> Indices:
        """Return `System.corners` of a system, [m]."""
        if key not in self._corners:
            self.system(elements_of(key))
        return self._corners[key]


def _alike(systems: Iterable[Elements]) -> Iterator[list[Elements]]:
    """Yield lists of systems of as many elements, small ones first and not too many at once."""
    for _, alike in groupby(sorted(systems, key=len), key=len):
        while some := list(islice(alike, _SYSTEMS_AT_ONCE)):
            yield some
