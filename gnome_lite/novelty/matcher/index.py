"""Search for crystals that are the same: `SameCrystals`, the pipeline's `CrystalIndex`, and groups of a whole batch.

Only crystals of one composition are ever compared, and nothing is worked out for a composition before a second
crystal of it is looked for. Many crystals at once (`admit`, `groups`) cost a fraction of as many calls of `find`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.novelty.matcher.cells import Cells
from gnome_lite.novelty.matcher.pairs import fits
from gnome_lite.novelty.matcher.primitive import formula_units

PAIRS_AT_ONCE = 600
"""Once so few pairs are left, all are compared together: cheaper than one leader after another."""


def groups(crystals: CrystalBatch) -> NDArray[np.int64]:
    """Return the index of the first crystal of each crystal's group (its own if it is the first), int64 [n].

    The groups of pymatgen's `StructureMatcher.group_structures`: in their order, each crystal not yet in a group
    leads one, of all later ones still free that fit it. What is no crystal stays alone.
    """
    leader = np.arange(len(crystals))
    worth = _shared(composition_keys(crystals))
    cells = Cells.of(crystals.take(worth))
    leader[worth] = worth[_leaders(cells)]
    return leader


class SameCrystals:
    """Crystals by composition; the first that is the same as a new one is found by `match`."""

    def __init__(self) -> None:
        self._buckets: dict[bytes, _Bucket] = {}
        self._borrowed: set[bytes] = set()
        self._last: tuple[Crystal, Cells] | None = None

    def fork(self) -> SameCrystals:
        """Return an index of the same crystals; what is added to it is not added here."""
        forked = SameCrystals()
        forked._buckets = dict(self._buckets)
        forked._borrowed = set(self._buckets)
        return forked

    def add(self, id: str, crystal: Crystal) -> None:
        """Add a crystal, the same as one already there or not."""
        cell = self._last[1] if self._last is not None and self._last[0] is crystal else None
        (key,) = composition_keys(CrystalBatch.from_crystals([crystal]))
        self._bucket(key).add(id, crystal, cell)

    def extend(self, ids: Sequence[str], crystals: CrystalBatch) -> None:
        """`add` many at once."""
        for id, key, crystal in zip(ids, composition_keys(crystals), crystals, strict=True):
            self._bucket(key).add(id, crystal, None)

    def find(self, crystal: Crystal) -> str | None:
        """Return the id of the first crystal added that is the same after volume scaling, None if there is none."""
        return next(iter(self.matches(crystal)), None)

    def matches(self, crystal: Crystal) -> list[str]:
        """Return the ids of all crystals added that are the same, in the order they were added."""
        batch = CrystalBatch.from_crystals([crystal])
        bucket = self._buckets.get(composition_keys(batch)[0])
        if bucket is None:
            return []
        new = Cells.of(batch)
        self._last = crystal, new
        cells = Cells.concatenate([*bucket.cells(), new])
        last = len(cells) - 1
        alike = np.array([i for i in range(last) if cells.keys[last] and cells.keys[i] == cells.keys[last]], np.int64)
        fit = alike[fits(cells, alike, np.full(len(alike), last))]
        return [bucket.ids[i] for i in fit]

    def admit(self, ids: Sequence[str], crystals: CrystalBatch) -> list[str | None]:
        """Add the crystals that are new, one after another, and return which id each of the others equals, [n].

        Does the same as `find` for each crystal and `add` where nothing is found, but much faster for many.
        """
        equal: list[str | None] = [None] * len(crystals)
        keys = composition_keys(crystals)
        shared = set(_shared(keys).tolist())
        worth = np.array([i for i, key in enumerate(keys) if i in shared or key in self._buckets], np.int64)
        new = Cells.of(crystals.take(worth))
        buckets = {key: self._buckets[key] for key in dict.fromkeys(keys[i] for i in worth) if key in self._buckets}
        old = [c for b in buckets.values() for c in b.cells()]
        old_ids = [i for b in buckets.values() for i in b.ids]
        cells = Cells.concatenate([*old, new])
        leader = _leaders(cells, known=len(old_ids))
        names = old_ids + [ids[i] for i in worth]
        for place, i in enumerate(worth, len(old_ids)):
            if leader[place] != place:
                equal[i] = names[leader[place]]
        row_of = {int(i): row for row, i in enumerate(worth)}
        for i, key in enumerate(keys):
            if equal[i] is None:
                cell = new.take(np.array([row_of[i]])) if i in row_of else None
                self._bucket(key).add(ids[i], crystals[i], cell)
        return equal

    def _bucket(self, key: bytes) -> _Bucket:
        """Return the bucket of a composition, to be added to."""
        bucket = self._buckets.get(key, _Bucket())
        if key in self._borrowed:
            bucket = bucket.copy()
            self._borrowed.discard(key)
        self._buckets[key] = bucket
        return bucket


class _Bucket:
    """Crystals of one composition, reduced when first compared."""

    __slots__ = ("_cells", "_waiting", "ids")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._cells: list[Cells | None] = []
        self._waiting: dict[int, Crystal] = {}

    def copy(self) -> _Bucket:
        copied = _Bucket()
        copied.ids, copied._cells, copied._waiting = list(self.ids), list(self._cells), dict(self._waiting)
        return copied

    def add(self, id: str, crystal: Crystal, cell: Cells | None) -> None:
        if cell is None:
            self._waiting[len(self.ids)] = crystal
        self.ids.append(id)
        self._cells.append(cell)

    def cells(self) -> list[Cells]:
        """Return the cell of each crystal, in the order of `ids`."""
        if self._waiting:
            made = Cells.of(CrystalBatch.from_crystals(self._waiting.values()))
            for row, i in enumerate(self._waiting):
                self._cells[i] = made.take(np.array([row]))
            self._waiting = {}
        return [c for c in self._cells if c is not None]


def composition_keys(crystals: CrystalBatch) -> list[bytes]:
    """Return the key of each crystal's reduced composition, [n]: equal formulas, and only those, have equal keys."""
    counts = crystals.counts
    present = np.flatnonzero(counts.any(axis=0))
    reduced = np.zeros(counts.shape, dtype=np.uint32)
    reduced[:, present] = counts[:, present] // np.maximum(formula_units(counts), 1)[:, None]
    raw, width = reduced.tobytes(), reduced.itemsize * counts.shape[1]
    return [raw[i * width : (i + 1) * width] for i in range(len(counts))]


def _shared(keys: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the indices of keys that occur more than once, ascending."""
    count = Counter(keys)
    return np.array([i for i, key in enumerate(keys) if count[key] > 1], dtype=np.int64)


def _leaders(cells: Cells, known: int = 0) -> NDArray[np.int64]:
    """Return the index of the cell that each is the same as, its own if there is none, int64 [n].

    Args:
        cells: n cells.
        known: number of first cells that are compared with the later ones only.
    """
    leader = np.arange(len(cells))
    members: dict[bytes, list[int]] = {}
    for i, key in enumerate(cells.keys):
        if key:
            members.setdefault(key, []).append(i)
    buckets = [np.array(m) for m in members.values() if len(m) > 1 and m[-1] >= known]
    left = buckets
    if known:
        _compare(cells, [(m[m < known], m[m >= known]) for m in buckets], leader)
        left = [m[(m >= known) & (leader[m] == m)] for m in buckets]
    while left := [m for m in left if len(m) > 1]:
        if sum(len(m) * (len(m) - 1) // 2 for m in left) <= PAIRS_AT_ONCE:
            _settle(cells, left, leader)
            break
        _compare(cells, [(m[:1], m[1:]) for m in left], leader)
        left = [m[1:][leader[m[1:]] == m[1:]] for m in left]
    return leader


def _compare(
    cells: Cells, pairs: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], leader: NDArray[np.int64]
) -> None:
    """Give each second cell the first of its first cells that fits it."""
    first = np.concatenate([np.empty(0, np.int64), *(np.repeat(a, len(b)) for a, b in pairs)])
    second = np.concatenate([np.empty(0, np.int64), *(np.tile(b, len(a)) for a, b in pairs)])
    fit = fits(cells, first, second)
    np.minimum.at(leader, second[fit], first[fit])


def _settle(cells: Cells, members: Sequence[NDArray[np.int64]], leader: NDArray[np.int64]) -> None:
    """Compare all with all, and make the groups in order."""
    at = [np.triu_indices(len(m), 1) for m in members]
    first = np.concatenate([m[i] for m, (i, _) in zip(members, at, strict=True)])
    second = np.concatenate([m[j] for m, (_, j) in zip(members, at, strict=True)])
    fit = fits(cells, first, second)
    for a, b in zip(first[fit].tolist(), second[fit].tolist(), strict=True):
        if leader[a] == a and leader[b] == b:
            leader[b] = a
