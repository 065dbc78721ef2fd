"""The entries of a hull by chemical system; they grow one by one.

A system is the set of its elements as an integer with bit Z set for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z
from gnome_lite.core.formation import E_FORM_LIMIT_EV_PER_ATOM
from gnome_lite.stability.decomposition import Floats, Indices

NONE = -1

Elements = tuple[int, ...]

_HASH = np.random.default_rng(0x676E6F6D65).integers(1, 2**63, MAX_Z + 1, dtype=np.uint64) | np.uint64(1)
"""Random weights: two compositions of one system have the same weighted sum once in 2^63."""


class SystemIndex:
    """Compositions and formation energies of one level, by index; grows at the end.

    Attributes:
        level: level of theory.
        ids: by index.
        index: by id.
        systems: indices of the entries that have just these elements and an energy that is let in.
    """

    def __init__(self, level: str, ids: Sequence[str], counts: Indices, e_form_ev_per_atom: Floats) -> None:
        """Take atom counts [n, MAX_Z + 1] and formation energies, eV/atom, [n].

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
        self.systems = by_key(self._counts, np.flatnonzero(self.let_in))
        self._total: int | None = None
        self._lowest: dict[int, tuple[Indices, Indices]] = {}

    @property
    def counts(self) -> NDArray[np.int32]:
        """Atoms by atomic number, [n, MAX_Z + 1]."""
        return self._counts[: len(self.ids)]

    @property
    def e_form(self) -> Floats:
        """Formation energies, eV/atom, [n]."""
        return self._e_form[: len(self.ids)]

    @property
    def let_in(self) -> NDArray[np.bool_]:
        """Which entries can be part of a hull, [n]: not those of absurd or no energy."""
        return np.abs(self.e_form) <= E_FORM_LIMIT_EV_PER_ATOM

    @property
    def refused(self) -> Mapping[str, int]:
        """How many entries were not let in, by cause."""
        finite = np.isfinite(self.e_form)
        causes = {"formation energy out of range": finite & ~self.let_in, "energy not finite": ~finite}
        return {cause: int(which.sum()) for cause, which in causes.items() if which.any()}

    def append(self, entry_id: str, counts: Indices, e_form_ev_per_atom: float) -> None:
        """Add one entry with atom counts [MAX_Z + 1].

        Raises:
            ValueError: if the id is there already, or there are no atoms.
        """
        if entry_id in self.index:
            raise ValueError(f"entry {entry_id} is twice in one hull")
        (key,) = by_key(np.asarray(counts)[None], np.arange(1))
        n = len(self.ids)
        if n == len(self._e_form):
            room = max(64, n)
            self._counts = np.concatenate([self._counts, np.zeros((room, MAX_Z + 1), np.int32)])
            self._e_form = np.concatenate([self._e_form, np.full(room, np.nan)])
        self._counts[n], self._e_form[n] = counts, e_form_ev_per_atom
        self.index[entry_id] = n
        self.ids.append(entry_id)
        if abs(e_form_ev_per_atom) <= E_FORM_LIMIT_EV_PER_ATOM:
            if self._total is not None:
                self._total += self._digest_of(n)
            self.systems[key] = np.append(self.systems.get(key, np.empty(0, np.int64)), n)
            self._lowest.pop(key, None)

    def lowest(self, keys: Sequence[int]) -> list[tuple[Indices, Indices]]:
        """Return the lowest and the second lowest entry of each composition of systems, [m] each (NONE = no other)."""
        missing = list({key: None for key in keys if key not in self._lowest})
        if missing:
            self._lowest.update(zip(missing, self._lowest_each(missing), strict=True))
        return [self._lowest[key] for key in keys]

    def fractions(self, entries: Indices, elements: Sequence[int] | Indices) -> Floats:
        """Return atomic fractions [q, d] of entries [q] that hold no other elements, [d] for all or [q, d] for each."""
        return fractions_of(self._counts, entries, elements)

    def within(self, elements: Elements) -> list[int]:
        """Return systems that have entries and no other elements: pure ones in order, subsets before supersets."""
        whole = key_of(elements)
        if 1 << len(elements) > len(self.systems):
            return sorted((key for key in self.systems if not key & ~whole), key=lambda key: (key.bit_count(), key))
        subsets = [0]
        for z in elements:
            subsets += [key | 1 << z for key in subsets]
        return sorted((key for key in subsets if key in self.systems), key=int.bit_count)

    def digest(self, entries: Iterable[int]) -> str:
        """Return the hash of the level and of ids and formation energies of entries in any order."""
        return self._hash(sum(self._digest_of(i) for i in entries))

    def digest_of_all(self) -> str:
        """Return the `digest` of all entries that are let in; one more is one addition."""
        if self._total is None:
            self._total = sum(self._digest_of(i) for i in np.flatnonzero(self.let_in).tolist())
        return self._hash(self._total)

    def _digest_of(self, entry: int) -> int:
        text = f"{self.ids[entry]} {self._e_form[entry]:.9f}"
        return int.from_bytes(blake2b(text.encode(), digest_size=16).digest())

    def _hash(self, total: int) -> str:
        return blake2b(f"{self.level} {total % (1 << 128):032x}".encode(), digest_size=8).hexdigest()

    def _lowest_each(self, keys: Sequence[int]) -> list[tuple[Indices, Indices]]:
        """Return `lowest` of some systems, worked out together."""
        members = [self.systems[key] for key in keys]
        entries = np.concatenate(members)
        sizes, widths = np.array([(len(rows), key.bit_count()) for key, rows in zip(keys, members, strict=True)]).T
        system = np.repeat(np.arange(len(keys)), sizes)
        composition = np.empty(len(entries), dtype=np.uint64)
        for width in np.unique(widths):
            of = np.flatnonzero(widths == width)
            here = np.flatnonzero(widths[system] == width)
            z = np.repeat(np.array([elements_of(keys[k]) for k in of.tolist()]), sizes[of], axis=0)
            atoms = self._counts[entries[here, None], z]
            reduced = atoms // np.gcd.reduce(atoms, axis=1, keepdims=True)
            composition[here] = (reduced.astype(np.uint64) * _HASH[z]).sum(axis=1)
        energies = self._e_form[entries]
        order = np.lexsort((energies, composition, system))
        same = (np.diff(system[order]) == 0) & (np.diff(composition[order]) == 0)
        if (same & (np.diff(energies[order]) == 0)).any():  # ties go to the first id
            order = np.lexsort((np.array([self.ids[i] for i in entries]), energies, composition, system))
        first = np.flatnonzero(np.concatenate([[True], ~same]))
        followed = np.concatenate([same, [False]])[first]
        second = np.where(followed, entries[order[np.minimum(first + 1, len(order) - 1)]], NONE)
        cuts = np.cumsum(np.bincount(system[order[first]])).tolist()
        return list(zip(_cut(entries[order[first]], cuts), _cut(second, cuts), strict=True))


def key_of(elements: Iterable[int]) -> int:
    """Return a system as an integer."""
    key = 0  # a loop takes half the time of a sum, and this is called for every system
    for z in elements:
        key |= 1 << z
    return key


def elements_of(key: int) -> Elements:
    """Return the atomic numbers of a system, ascending."""
    numbers = []
    while key:
        numbers.append((key & -key).bit_length() - 1)
        key &= key - 1
    return tuple(numbers)


def fractions_of(counts: NDArray[np.integer], rows: Indices, elements: Sequence[int] | Indices) -> Floats:
    """Return atomic fractions [q, d] of rows [q] of atom counts with no other elements, [d] for all or [q, d]."""
    amounts = counts[rows[:, None], np.asarray(elements)]
    return amounts / amounts.sum(axis=1, keepdims=True)


def by_system(counts: NDArray[np.integer]) -> list[tuple[Elements, Indices]]:
    """Return (atomic numbers, rows) of each chemical system among compositions [n, MAX_Z + 1].

    Raises:
        ValueError: for another shape, or a composition without atoms.
    """
    return [(elements_of(key), rows) for key, rows in by_key(counts, np.arange(len(counts))).items()]


def by_key(counts: NDArray[np.integer], rows: Indices) -> dict[int, Indices]:
    """Return those of some rows [m] that belong to each system.

    Raises:
        ValueError: for another shape, or a composition without atoms.
    """
    if counts.ndim != 2 or counts.shape[1] != MAX_Z + 1:
        raise ValueError(f"compositions must be atom counts of shape [n, {MAX_Z + 1}], not {list(counts.shape)}")
    if not len(rows):
        return {}
    present = (counts if len(rows) == len(counts) else counts[rows]) > 0
    packed = np.zeros((len(rows), 16), dtype=np.uint8)
    packed[:, : (MAX_Z + 8) // 8] = np.packbits(present, axis=1, bitorder="little")
    low, high = packed.view("<u8").T
    if not (low | high).all():
        raise ValueError(f"composition {rows[(low | high) == 0][0]} has no atom: give each at least one")
    order = np.lexsort((low, high))
    low, high = low[order], high[order]
    last = np.flatnonzero(np.append((low[1:] != low[:-1]) | (high[1:] != high[:-1]), True))
    keys = [a | b << 64 for a, b in zip(low[last].tolist(), high[last].tolist(), strict=True)]
    return dict(zip(keys, _cut(rows[order], (last + 1).tolist()), strict=True))


def _cut(array: Indices, stops: Sequence[int]) -> list[Indices]:
    """Return the parts of an array that end at positions (`np.split` takes ten times as long for many)."""
    return [array[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]
