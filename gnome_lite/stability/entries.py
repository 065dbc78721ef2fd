"""The entries of a hull by chemical system: what grows, and what of it a system sees.

A system is the set of its elements as an integer with bit Z set for each. A hull of a system takes, of every
composition within it, the lowest entry and, in its absence, the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gnome_lite.crystals import MAX_Z, symbol
from gnome_lite.errors import MissingReferenceError

E_FORM_LIMIT_EV_PER_ATOM = 10.0
"""No compound of physics lies further from its elements; what does is refused, never a corner of the hull."""

NONE = -1

Elements = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The phases of one chemical system: n compositions of d elements, the pure elements first.

    Attributes:
        elements: atomic numbers, ascending.
        entries: the lowest entry of each composition, [n].
        runners_up: the second lowest, [n], NONE where there is no other.
        fractions: atomic fractions, [n, d].
        energies: of `entries`, eV/atom, [n].
    """

    elements: Elements
    entries: NDArray[np.int64]
    runners_up: NDArray[np.int64]
    fractions: NDArray[np.float64]
    energies: NDArray[np.float64]


class Entries:
    """Compositions and formation energies of one level, by index; grows at the end.

    Attributes:
        level: level of theory.
        ids: by index.
        index: by id.
        systems: indices of the entries that have just these elements and an energy that is let in.
    """

    def __init__(
        self, level: str, ids: Sequence[str], counts: NDArray[np.int64], e_form_ev_per_atom: NDArray[np.float64]
    ) -> None:
        """From atom counts [n, MAX_Z + 1] and formation energies, eV/atom, [n].

        Raises:
            ValueError: if ids repeat.
        """
        self.level = level
        self.ids = list(ids)
        self.index = {entry_id: i for i, entry_id in enumerate(self.ids)}
        if len(self.index) != len(self.ids):
            raise ValueError(f"entry {Counter(ids).most_common(1)[0][0]} is twice in one hull")
        self._counts = np.asarray(counts, dtype=np.int32)
        self._e_form = np.array(e_form_ev_per_atom, dtype=np.float64)
        self.systems: dict[int, list[int]] = {}
        let_in = np.abs(self._e_form) <= E_FORM_LIMIT_EV_PER_ATOM  # False for NaN
        inside = np.flatnonzero(let_in)
        for elements, rows in by_system(self._counts[inside]):
            self.systems[key_of(elements)] = inside[rows].tolist()
        self._lowest: dict[int, tuple[list[int], list[int]]] = {}
        self._digests: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> NDArray[np.int32]:
        """Atoms by atomic number, [n, MAX_Z + 1]."""
        return self._counts[: len(self.ids)]

    @property
    def e_form(self) -> NDArray[np.float64]:
        """Formation energies, eV/atom, [n]."""
        return self._e_form[: len(self.ids)]

    @property
    def let_in(self) -> NDArray[np.bool_]:
        """Which entries can be part of a hull, [n]."""
        return np.abs(self.e_form) <= E_FORM_LIMIT_EV_PER_ATOM

    @property
    def refused(self) -> Mapping[str, int]:
        """How many entries were not let in, by cause."""
        finite = np.isfinite(self.e_form)
        causes = {
            "formation energy out of range": int((finite & ~self.let_in).sum()),
            "energy not finite": int((~finite).sum()),
        }
        return {cause: n for cause, n in causes.items() if n}

    def append(self, entry_id: str, counts: NDArray[np.int64], e_form_ev_per_atom: float) -> int:
        """Add one entry with atom counts [MAX_Z + 1]; returns its system.

        Raises:
            ValueError: if the id is there already, or there are no atoms.
        """
        if entry_id in self.index:
            raise ValueError(f"entry {entry_id} is twice in one hull")
        ((elements, _),) = by_system(np.asarray(counts)[None])
        n = len(self.ids)
        if n == len(self._e_form):
            room = max(64, n)
            self._counts = np.concatenate([self._counts, np.zeros((room, MAX_Z + 1), np.int32)])
            self._e_form = np.concatenate([self._e_form, np.full(room, np.nan)])
        self._counts[n], self._e_form[n] = counts, e_form_ev_per_atom
        self.index[entry_id] = n
        self.ids.append(entry_id)
        key = key_of(elements)
        if abs(e_form_ev_per_atom) <= E_FORM_LIMIT_EV_PER_ATOM:
            self.systems.setdefault(key, []).append(n)
            self._lowest.pop(key, None)
            self._digests.pop(key, None)
        return key

    def fractions(self, entries: NDArray[np.int64], elements: Sequence[int]) -> NDArray[np.float64]:
        """Atomic fractions of entries [q] that hold no other elements, [q, d]."""
        return fractions_of(self._counts, entries, elements)

    def columns(self, elements: Elements) -> Columns:
        """The phases within some elements.

        Raises:
            MissingReferenceError: if one of them has no entry of its own.
        """
        keys = [1 << z for z in elements]
        for z, key in zip(elements, keys, strict=True):
            if key not in self.systems:
                raise MissingReferenceError(
                    f"no phase of pure {symbol(z)} in the hull at level {self.level}: "
                    f"add a crystal of {symbol(z)} at this level to the sources"
                )
        entries: list[int] = []
        runners_up: list[int] = []
        for key in keys + [k for k in self._within(elements) if k.bit_count() > 1]:
            lowest, next_lowest = self._lowest_of(key)
            entries += lowest
            runners_up += next_lowest
        which = np.array(entries, dtype=np.int64)
        return Columns(
            elements, which, np.array(runners_up, dtype=np.int64), self.fractions(which, elements), self._e_form[which]
        )

    def members(self, elements: Elements) -> list[int]:
        """All entries let in that hold no other elements."""
        return sorted(i for key in self._within(elements) for i in self.systems[key])

    def digest(self, elements: Elements | None = None) -> str:
        """Hash of level, entry ids and formation energies within some elements (None = all)."""
        keys = self.systems if elements is None else self._within(elements)
        total = sum(self._digest_of(key) for key in keys) % (1 << 128)
        return blake2b(f"{self.level} {total:032x}".encode(), digest_size=8).hexdigest()

    def _within(self, elements: Elements) -> Iterator[int]:
        """Systems that have entries and no other elements."""
        whole = key_of(elements)
        if 1 << len(elements) > len(self.systems):
            return (key for key in self.systems if not key & ~whole)
        subsets = [0]
        for z in elements:
            subsets += [key | 1 << z for key in subsets]
        return (key for key in subsets if key in self.systems)

    def _lowest_of(self, key: int) -> tuple[list[int], list[int]]:
        """The lowest entry of each composition of a system, and the second lowest; ties go to the first id."""
        found = self._lowest.get(key)
        if found is None:
            members = self.systems[key]
            if len(members) == 1:
                found = (members, [NONE])
            else:
                amounts = self._counts[members][:, elements_of(key)]
                reduced = (amounts // np.gcd.reduce(amounts, axis=1, keepdims=True)).tolist()
                energies = self._e_form[members].tolist()
                best: dict[tuple[int, ...], list[int]] = {}
                for k in sorted(range(len(members)), key=lambda k: (energies[k], self.ids[members[k]])):
                    best.setdefault(tuple(reduced[k]), []).append(members[k])
                found = ([same[0] for same in best.values()], [(same + [NONE])[1] for same in best.values()])
            self._lowest[key] = found
        return found

    def _digest_of(self, key: int) -> int:
        """A sum, so that the order of entries does not matter and one more is one addition."""
        found = self._digests.get(key)
        if found is None:
            members = self.systems[key]
            energies = self._e_form[members].tolist()
            texts = (f"{self.ids[i]} {e:.9f}".encode() for i, e in zip(members, energies, strict=True))
            found = sum(int.from_bytes(blake2b(t, digest_size=16).digest()) for t in texts)
            self._digests[key] = found
        return found


def key_of(elements: Iterable[int]) -> int:
    """A system as an integer."""
    return sum(1 << z for z in elements)


def elements_of(key: int) -> Elements:
    """Atomic numbers of a system, ascending."""
    return tuple(z for z in range(1, key.bit_length()) if key >> z & 1)


def fractions_of(counts: NDArray[np.integer], rows: NDArray[np.int64], elements: Sequence[int]) -> NDArray[np.float64]:
    """Atomic fractions of some rows of atom counts that hold no other elements, [q, d]."""
    amounts = counts[rows[:, None], np.asarray(elements)]
    return amounts / amounts.sum(axis=1, keepdims=True)


def by_system(counts: NDArray[np.integer]) -> list[tuple[Elements, NDArray[np.int64]]]:
    """(atomic numbers, rows) of each chemical system among compositions [n, MAX_Z + 1].

    Raises:
        ValueError: for another shape, or a composition without atoms.
    """
    if counts.ndim != 2 or counts.shape[1] != MAX_Z + 1:
        raise ValueError(f"compositions must be atom counts of shape [n, {MAX_Z + 1}], not {list(counts.shape)}")
    present = counts > 0
    packed = np.zeros((len(counts), 16), dtype=np.uint8)
    packed[:, : (MAX_Z + 8) // 8] = np.packbits(present, axis=1)
    words = packed.view(np.uint64)
    if not words.any(axis=1).all():
        raise ValueError(f"composition {np.flatnonzero(~words.any(axis=1))[0]} is of no atom: each needs at least one")
    if not len(counts):
        return []
    order = np.lexsort((words[:, 0], words[:, 1]))
    changes = np.flatnonzero((words[order[1:]] != words[order[:-1]]).any(axis=1)) + 1
    groups = np.split(order, changes)
    first = present[order[np.concatenate([[0], changes])]]
    elements = np.split(np.nonzero(first)[1], np.cumsum(first.sum(axis=1))[:-1])
    return [(tuple(zs.tolist()), rows) for zs, rows in zip(elements, groups, strict=True)]
