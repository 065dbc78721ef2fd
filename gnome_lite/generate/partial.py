"""Symmetry-aware partial substitution (SAPS): `PartialSubstitution`, a `Generator` that replaces part of an ion.

GNoME (Merchant et al., Nature 624, 80 (2023), Methods) replaces some of the sites of an ion of a known crystal, one
choice of each symmetry-equivalent class; SrFeO3 gives Sr2FeNbO6 with Fe and Nb ordered as in rock salt. Which
ion replaces which follows the probabilities of `probabilities`. The two ions need not have the same charge, only the
same sign: the composition must be one that common oxidation states make neutral. Replacing an ion everywhere is
left to `IonicSubstitution`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.balance import charge_balanced
from gnome_lite.chemistry.gates import element_masks, in_space
from gnome_lite.chemistry.oxidation import cause_of_no_states, oxidation_states
from gnome_lite.chemistry.symmetry import primitive, symmetry
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.decorations import Decorations, decorations
from gnome_lite.generate.enumeration import ParentSpecies
from gnome_lite.generate.partial_block import Block, Changes, Parent
from gnome_lite.generate.probabilities import substitution_table
from gnome_lite.generate.substitution import CHUNK
from gnome_lite.generate.supercells import SiteSymmetry

BLOCK_POSSIBILITIES = 4_000_000
"""A block with so many takes no further parent (some 30 bytes each)."""
REFINE_SYMPREC_ANG = 0.1
"""Parents are idealised at the tolerance at which the Materials Project states space groups."""
SYMPREC_ANG = 0.01
"""For the idealised cell."""
TRIALS = 4096
"""Most choices tried for one number of sites in one cell."""
MAX_CHOICES = 50_000
"""A parent with so many choices of sites gets no further supercell."""
CACHED_CHOICES = 1_000_000
"""Choices kept for other parents of the same prototype (about 30 MB)."""

OUTSIDE = "outside the chemical space"
NO_SYMMETRY = "no symmetry found"
TOO_LARGE = "primitive cell too large"
UNKNOWN_SPECIES = "a species has no probabilities"
INCOMPLETE = "too many choices of sites"


class PartialSubstitution:
    """SAPS in the refined primitive cell and in its inequivalent supercells.

    Attributes:
        name: "partial".
        skipped: parents by cause, as far as the stream of the last `generate` was read: left out (outside the space, no
            symmetry, too large a cell, no charges), or used in part ("a species has no probabilities", "too many
            choices of sites").
    """

    name = "partial"
    vacant = False
    """Whether the sites that are not chosen are left empty."""
    block = 64
    """Most parents whose possibilities are held, and drawn from, at once."""

    def __init__(
        self, space: Space, generate: Generate, chunk: int = CHUNK, *, charge_balance: bool = True, max_index: int = 4
    ) -> None:
        """Set space, threshold and largest cell.

        Args:
            space: where candidates may lie.
            generate: `threshold` and `max_atoms` are used.
            chunk: candidates a chunk.
            charge_balance: whether compositions must be neutral in common oxidation states.
            max_index: largest supercell, in primitive cells.
        """
        self._config, self._chunk = generate, chunk
        self._charge_balance, self._max_index = charge_balance, max_index
        self._systems = element_masks(space)
        self._n_elements = space.min_elements, space.max_elements
        self._known: dict[bytes, Decorations] = {}
        self.skipped: Counter[str] = Counter()

    def generate(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, rng: np.random.Generator, start: int = 0
    ) -> Iterator[CandidatePool]:
        """Yield every (parent, ion, new ion, class of sites) once, in blocks of parents in random order.

        Inside a block a change of ions is drawn with its probability, shared equally by the classes of sites that it
        may be done at (without replacement, by Gumbel's trick), so that likely changes and symmetric parents come
        first and a parent with thousands of classes does not crowd out the others. Memory is that of one block.
        """
        self.skipped = Counter()
        seed = int(rng.integers(1 << 62))
        order = np.random.default_rng(seed).permutation(len(parents))
        for number, usable in enumerate(self._blocks(parents, order)):
            block = Block.make(usable, self._allowed, self.vacant)
            n_chunks = -(-len(block) // self._chunk)
            if start >= n_chunks:
                start -= n_chunks
                continue
            drawn = block.order(np.random.default_rng((seed, number)))
            for first in range(start * self._chunk, len(drawn), self._chunk):
                yield block.pool(drawn[first : first + self._chunk], parent_ids, self.name, round)
            start = 0

    def _blocks(self, parents: CrystalBatch, order: NDArray[np.int64]) -> Iterator[list[Parent]]:
        """Yield usable parents in an order, a bounded number of them and of their possibilities at a time."""
        block: list[Parent] = []
        for i in order.tolist():
            found = self._parent(parents[i], i)
            if isinstance(found, str):
                self.skipped[found] += 1
                continue
            block.append(found)
            if len(block) == self.block or sum(p.n_possibilities for p in block) >= BLOCK_POSSIBILITIES:
                yield block
                block = []
        if block:
            yield block

    def _parent(self, crystal: Crystal, index: int) -> Parent | str:
        """Return a parent ready to be substituted, or why it cannot be used."""
        present = crystal.counts > 0
        # Replacing part of an ion keeps all elements, so the parent's own must be allowed.
        if present.sum() > self._n_elements[1] or not in_space(present[None], self._systems)[0]:
            return OUTSIDE
        found = symmetry(crystal, REFINE_SYMPREC_ANG)
        if found is None:
            return NO_SYMMETRY
        cell = primitive(found)
        if len(cell) > self._config.max_atoms:
            return TOO_LARGE
        charges = oxidation_states(cell)
        if charges is None:
            return cause_of_no_states(cell)
        cell, charges = _in_order(cell, charges)
        species, site = _species(cell.numbers, charges)
        sites = SiteSymmetry.of(cell, SYMPREC_ANG)
        if sites is None:
            return NO_SYMMETRY
        choices = self._decorations(sites.keeping(site), site)
        if not choices.complete:
            self.skipped[INCOMPLETE] += 1
        return Parent(index, cell, species, site, choices, self._changes(species))

    def _decorations(self, sites: SiteSymmetry, species: NDArray[np.int64]) -> Decorations:
        """Return the choices of sites, worked out once for the parents of one prototype."""
        key = b"".join(a.tobytes() for a in (sites.rotations, sites.images, sites.shifts, species))
        if key not in self._known:
            found = decorations(sites, species, self._max_index, self._config.max_atoms, TRIALS, MAX_CHOICES)
            while (
                self._known and sum(len(d.choices) for d in self._known.values()) + len(found.choices) > CACHED_CHOICES
            ):
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return self._known[key]

    def _changes(self, parent: ParentSpecies) -> Changes:
        """Return what each species of a parent may in part become."""
        table = substitution_table()
        found: list[Changes] = []
        for species, (z, charge) in enumerate(zip(parent.z, parent.charges, strict=True)):
            row = table.index(z, charge)
            if row is None:
                self.skipped[UNKNOWN_SPECIES] += 1
                continue
            log_p = table.log_p[row]
            opposite = [k for k, q in zip(parent.z, parent.charges, strict=True) if q * charge < 0]
            stay = [k for i, k in enumerate(parent.z) if i != species or not self.vacant]
            # Where sites are left empty the new ion brings more charge, and may be of the same element (Fe2+ -> Fe3+).
            other = np.abs(table.charges) > abs(charge) if self.vacant else table.z != z
            fits = (log_p > np.log(self._config.threshold)) & other & (table.charges * charge > 0)
            fits &= ~np.isin(table.z, opposite) & self._in_space(stay, table.z)
            new = np.flatnonzero(fits)
            # Each element at its likeliest charge, or the nearest of equally likely ones.
            new = new[np.lexsort((np.abs(table.charges[new] - charge), -log_p[new]))]
            if not self.vacant:  # there the charge decides how many sites stay empty: each is a change of its own
                new = new[np.sort(np.unique(table.z[new], return_index=True)[1])]
            found.append(Changes(np.full(len(new), species), table.z[new], table.charges[new], log_p[new]))
        return Changes.concatenate(found)

    def _in_space(self, z: Sequence[int], added: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether crystals of elements z and one of `added`, [n], lie in the space, [n]."""
        present = np.zeros((len(added), MAX_Z + 1), dtype=bool)
        present[:, list(z)] = True
        present[np.arange(len(added)), added] = True
        kinds = present.sum(axis=1)
        return in_space(present, self._systems) & (kinds >= self._n_elements[0]) & (kinds <= self._n_elements[1])

    def _allowed(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether compositions [n, MAX_Z + 1] may be made."""
        return charge_balanced(counts) if self._charge_balance else np.ones(len(counts), dtype=bool)


def _in_order(crystal: Crystal, charges: NDArray[np.int64]) -> tuple[Crystal, NDArray[np.int64]]:
    """Return the crystal with sites ordered by species and place, so that parents of one prototype look alike."""
    frac = crystal.frac_coords - np.floor(crystal.frac_coords)
    place = np.round(frac, 3) % 1.0
    order = np.lexsort((*place.T[::-1], crystal.numbers, -charges))
    return Crystal(crystal.numbers[order], frac[order], crystal.lattice), charges[order]


def _species(numbers: NDArray[np.int64], charges: NDArray[np.int64]) -> tuple[ParentSpecies, NDArray[np.int64]]:
    """Return the species of sites ordered by species, in that order, and which of them each site is, [n_atoms]."""
    pairs = np.column_stack([numbers, charges])
    new = np.concatenate([[True], (pairs[1:] != pairs[:-1]).any(axis=1)])
    site = np.cumsum(new) - 1
    z, q = pairs[new].T.tolist()
    return ParentSpecies(tuple(z), tuple(q), tuple(np.bincount(site).tolist())), site
