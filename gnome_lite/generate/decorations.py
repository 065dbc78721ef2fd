"""All inequivalent ways to choose part of the sites of one species, in the primitive cell and in supercells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.generate.colourings import colourings
from gnome_lite.generate.supercells import SiteSymmetry, hermite_normal_forms, inequivalent, site_permutations


@dataclass(frozen=True, slots=True, eq=False)
class SiteChoices:
    """N choices of some of the sites of a species in a cell.

    Attributes:
        cell: which cell, int32 [N].
        mask: bit i = the i-th site of the species in that cell is chosen, int64 [N].
        size, n_sites: how many sites are chosen, of how many, int32 [N].
        multiplicity: symmetry-equivalent choices that it stands for, int64 [N].
    """

    cell: NDArray[np.int32]
    mask: NDArray[np.int64]
    size: NDArray[np.int32]
    n_sites: NDArray[np.int32]
    multiplicity: NDArray[np.int64]

    @classmethod
    def concatenate(cls, choices: Sequence[SiteChoices], n_cells: ArrayLike) -> SiteChoices:
        """Lay end to end the choices of several crystals of `n_cells` cells each, cells numbered through."""
        first = np.cumsum(n_cells) - n_cells
        columns = {f.name: np.concatenate([getattr(c, f.name) for c in choices]) for f in fields(cls)}
        columns["cell"] += np.repeat(first, [len(c) for c in choices]).astype(np.int32)
        return cls(**columns)

    def take(self, which: NDArray[np.signedinteger[Any]]) -> SiteChoices:
        return SiteChoices(*(getattr(self, f.name)[which] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Decorations:
    """All choices in c cells, ordered by the f fractions of a species that they take.

    They belong to a symmetry and to which sites are alike, not to elements: crystals of one prototype share them.

    Attributes:
        forms: superlattice of each cell (see `supercells`), by ascending index, int64 [c, 3, 3].
        choices: N of them.
        species: of each fraction, int64 [f].
        numerator, denominator: the fraction in lowest terms, int64 [f].
        start: choices start[i]:start[i + 1] take fraction i, int64 [f + 1].
        complete: none was left out for there being too many.
    """

    forms: NDArray[np.int64]
    choices: SiteChoices
    species: NDArray[np.int64]
    numerator: NDArray[np.int64]
    denominator: NDArray[np.int64]
    start: NDArray[np.int64]
    complete: bool

    @property
    def indices(self) -> NDArray[np.int64]:
        """Index of each superlattice, int64 [c]."""
        return self.forms[:, [0, 1, 2], [0, 1, 2]].prod(axis=1)


def decorations(
    sites: SiteSymmetry, species: NDArray[np.int64], max_index: int, max_atoms: int, limit: int, max_choices: int
) -> Decorations:
    """Return all decorations in supercells up to an index and a number of atoms.

    Args:
        sites: symmetry of the primitive cell, of operations that keep the species of every site.
        species: of each of its sites, 0 .. k - 1, int64 [s].
        max_index: largest index of a superlattice.
        max_atoms: most atoms of a supercell.
        limit: most masks to try for one number of sites in one cell (see `colourings`).
        max_choices: once there are so many, no further cell is looked at.
    """
    largest = min(max_index, max_atoms // len(species))
    classes = [inequivalent(hermite_normal_forms(n), sites.rotations) for n in range(1, largest + 1)]
    forms = np.concatenate([np.empty((0, 3, 3), np.int64), *classes])
    found: list[SiteChoices] = []
    kinds: list[NDArray[np.int64]] = []
    complete = True
    for cell, form in enumerate(forms):
        if sum(len(c) for c in found) >= max_choices:
            forms, complete = forms[:cell], False
            break
        permutations, translations = site_permutations(sites, form)
        species_of_site = np.repeat(species, permutations.shape[1] // len(species))
        for kind in range(int(species.max()) + 1):
            own = species_of_site == kind
            rank = np.cumsum(own) - 1
            c = colourings(rank[permutations[:, own]], rank[translations[:, own]], limit)
            complete &= not c.skipped_sizes
            same_cell, n_sites = (np.full(len(c.masks), x, dtype=np.int32) for x in (cell, own.sum()))
            found.append(SiteChoices(same_cell, c.masks, c.sizes.astype(np.int32), n_sites, c.multiplicities))
            kinds.append(np.full(len(c.masks), kind))
    choices = SiteChoices.concatenate(found, np.zeros(len(found), dtype=np.int64))
    divisor = np.gcd(choices.size, choices.n_sites)
    keys = np.column_stack([np.concatenate(kinds), choices.size // divisor, choices.n_sites // divisor])
    (species_of, numerator, denominator), of = _distinct_rows(keys)
    start = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(species_of)))])
    ordered = choices.take(np.argsort(of, kind="stable"))
    return Decorations(forms, ordered, species_of, numerator, denominator, start, complete)


def _distinct_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return columns of the distinct rows, in ascending order, and which of them each row is."""
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct.T, which.ravel()
