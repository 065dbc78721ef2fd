"""`Cells`: crystals reduced and laid out so that very many pairs of them can be compared at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.ragged import spread
from gnome_lite.novelty.matcher.lattices import lengths_and_angles
from gnome_lite.novelty.matcher.primitive import reduced

SHORTEST = 0.1
"""A lattice vector shorter than this times (V/n)^(1/3) makes no crystal, and would make countless lattice mappings."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Reduced crystals ready to be compared; only those of equal key can be the same.

    Attributes:
        crystals: Niggli-reduced primitive cells of volume n_atoms; sites by element, the rarest element first.
        keys: the atomic numbers in that order, as bytes; b"" for what is no crystal.
        anchor: index (in the crystal) of the atom laid upon others: the first given of a rarest element, [n].
        block_start, block_size: the atoms of the same element (index in the crystal) as each atom, [n_atoms] each.
        lengths, angles_deg: of the lattices, [n, 3] each.
    """

    crystals: CrystalBatch
    keys: list[bytes]
    anchor: NDArray[np.int64]
    block_start: NDArray[np.int64]
    block_size: NDArray[np.int64]
    lengths: NDArray[np.float64]
    angles_deg: NDArray[np.float64]

    @classmethod
    def of(cls, crystals: CrystalBatch) -> Cells:
        """Reduce crystals and lay out their sites for comparison."""
        batch = reduced(crystals)
        owner = batch.crystal_of_atom
        count = batch.counts[owner, batch.numbers]
        order = np.lexsort((batch.numbers, count, owner))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        numbers, start = batch.numbers[order], batch.offsets[:-1]
        laid_out = CrystalBatch(numbers, batch.frac_coords[order], batch.lattices, batch.offsets)
        # The first site of the input that is of a rarest element, whichever element that is.
        rarest = np.flatnonzero(count == count[order[start]][owner])
        _, first = np.unique(owner[rarest], return_index=True)
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(numbers) != 0) | (np.diff(owner) != 0)
        block = np.cumsum(new) - 1
        begin = np.flatnonzero(new)
        with np.errstate(invalid="ignore", divide="ignore"):
            lengths, angles = lengths_and_angles(batch.lattices)
            sane = (np.abs(batch.volumes / batch.n_atoms - 1) < 1e-6) & (lengths.min(axis=1) > SHORTEST)
        raw = numbers.astype(np.uint8).tobytes()
        ends = batch.offsets.tolist()
        keys = [raw[a:b] if ok else b"" for a, b, ok in zip(ends[:-1], ends[1:], sane.tolist(), strict=True)]
        return cls(
            laid_out,
            keys,
            place[rarest[first]] - start,
            (begin - start[owner[begin]])[block],
            np.bincount(block)[block],
            lengths,
            angles,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Cells]) -> Cells:
        return cls(
            CrystalBatch.concatenate([p.crystals for p in parts]),
            [key for p in parts for key in p.keys],
            *(np.concatenate([getattr(p, column.name) for p in parts]) for column in fields(cls)[2:]),
        )

    def __len__(self) -> int:
        return len(self.crystals)

    def take(self, which: NDArray[np.int64]) -> Cells:
        """Return the cells at integer indices, in that order."""
        _, atoms = spread(self.crystals.offsets[which], self.crystals.n_atoms[which])
        return Cells(
            self.crystals.take(which),
            [self.keys[i] for i in which],
            self.anchor[which],
            self.block_start[atoms],
            self.block_size[atoms],
            self.lengths[which],
            self.angles_deg[which],
        )
