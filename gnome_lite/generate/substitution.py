"""Ionic substitution: `IonicSubstitution`, a `Generator` that replaces the ions of known crystals by likely others.

`SpeciesSubstitution` is its machinery, which intermetallic substitution shares.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.gates import element_masks
from gnome_lite.chemistry.oxidation import cause_of_no_states, oxidation_states
from gnome_lite.chemistry.volume import estimate_volume
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.enumeration import ParentSpecies, Substitutions, enumerate_substitutions
from gnome_lite.generate.probabilities import SubstitutionTable, substitution_table

CHUNK = 512


class SpeciesSubstitution(ABC):
    """Replaces whole species of known crystals by likely others: what ionic and intermetallic substitution share.

    Attributes:
        name: written on each candidate.
        skipped: parents left out by the last call of `generate`, by cause.
    """

    name: str

    def __init__(self, space: Space, generate: Generate, chunk: int = CHUNK) -> None:
        self._space, self._config, self._chunk = space, generate, chunk
        self._known: dict[ParentSpecies, Substitutions] = {}
        self.skipped: Counter[str] = Counter()

    @abstractmethod
    def charges(self, parent: Crystal) -> NDArray[np.int64] | str:
        """Return the charge of each site of a parent, [n_atoms], or why it cannot be substituted."""

    @abstractmethod
    def table(self) -> SubstitutionTable:
        """Return the probabilities of one species replacing another."""

    @abstractmethod
    def volume_ratios(self, parent: ParentSpecies, new: Substitutions) -> NDArray[np.float64]:
        """Return new over old volume of each substitution, [t]."""

    def generate(
        self, parents: CrystalBatch, parent_ids: Sequence[str], round: int, rng: np.random.Generator, start: int = 0
    ) -> Iterator[CandidatePool]:
        """Yield every (parent, substitution) at most once, in random order, the likely ones tending to come first.

        The order is a draw without replacement with weights equal to the probabilities (Gumbel's trick: sorted
        by log p + Gumbel noise). Memory: 16 bytes for each possibility, crystals for one chunk.
        """
        plan = self._plan(parents)
        rank = plan.log_p[plan.row] + rng.gumbel(size=len(plan.row))
        order = np.argsort(-rank, kind="stable")
        for at in range(start * self._chunk, len(order), self._chunk):
            pick = order[at : at + self._chunk]
            parent, row = plan.parent[pick], plan.row[pick]
            yield CandidatePool(
                _substituted(parents, parent, plan.species_of_atom, plan.z[row], plan.volume_ratio[row]),
                tuple(parent_ids[p] for p in parent),
                tuple(plan.change(r) for r in row),
                (self.name,) * len(pick),
                np.exp(plan.log_p[row]),
                np.ones(len(pick), dtype=np.int64),
                round,
            )

    def substitutions(self, parent: ParentSpecies) -> Substitutions:
        """Return all substitutions of a parent's species, likeliest first (worked out once)."""
        if parent not in self._known:
            self._known[parent] = enumerate_substitutions(
                parent,
                self.table(),
                element_masks(self._space),
                (self._space.min_elements, self._space.max_elements),
                self._config.threshold,
            )
        return self._known[parent]

    def _plan(self, parents: CrystalBatch) -> _Plan:
        """Return all possibilities of all parents, as indices."""
        self.skipped = Counter()
        species_of_atom = np.zeros(len(parents.numbers), dtype=np.int64)
        members: dict[ParentSpecies, list[int]] = {}
        for i, crystal in enumerate(parents):
            charges = self.charges(crystal)
            if isinstance(charges, str):
                self.skipped[charges] += 1
                continue
            species, site = ParentSpecies.of(crystal.numbers, charges)
            species_of_atom[parents.offsets[i] : parents.offsets[i + 1]] = site
            members.setdefault(species, []).append(i)
        found = [(s, new := self.substitutions(s), self.volume_ratios(s, new), who) for s, who in members.items()]
        return _Plan.make(species_of_atom, found)


class IonicSubstitution(SpeciesSubstitution):
    """GNoME's modified ionic substitution (see `probabilities` for the definition).

    Parents need formal charges: intermetallics, and crystals of mixed valence on equivalent sites, are skipped
    and counted in `skipped`. Candidates keep the parent's structure, at a volume estimated from ionic radii.
    """

    name = "substitution"

    def charges(self, parent: Crystal) -> NDArray[np.int64] | str:
        charges = oxidation_states(parent)
        return cause_of_no_states(parent) if charges is None else charges

    def table(self) -> SubstitutionTable:
        return substitution_table()

    def volume_ratios(self, parent: ParentSpecies, new: Substitutions) -> NDArray[np.float64]:
        z, charges, atoms = (np.array(column) for column in (parent.z, parent.charges, parent.atoms))
        return estimate_volume(1.0, z, charges, new.z, new.charges, atoms)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """All possibilities: N (parent, row) pairs, and R rows that say what becomes of at most K species.

    Attributes:
        species_of_atom: which of its parent's species each parent atom is, [n_atoms].
        parent: index of the parent, [N]; row: index of the substitution, [N].
        old: species before, [R].
        z, charges: species after, [R, K] (0 beyond the parent's own number).
        volume_ratio: new over old volume, [R].
        log_p: log-probability, [R].
    """

    species_of_atom: NDArray[np.int64]
    parent: NDArray[np.int32]
    row: NDArray[np.int32]
    old: Sequence[ParentSpecies]
    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    volume_ratio: NDArray[np.float64]
    log_p: NDArray[np.float64]

    @classmethod
    def make(
        cls,
        species_of_atom: NDArray[np.int64],
        found: Sequence[tuple[ParentSpecies, Substitutions, NDArray[np.float64], list[int]]],
    ) -> _Plan:
        """Lay out the substitutions, with their volume ratios, of groups of parents of the same species."""
        old = [s for s, new, *_ in found for _ in new.log_p]
        z, charges = np.zeros((2, len(old), max((len(s.z) for s, *_ in found), default=1)), dtype=np.int64)
        parent, row = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        start = 0
        for species, new, _, who in found:
            rows = np.arange(start, start + len(new.log_p), dtype=np.int32)
            start += len(rows)
            z[rows, : len(species.z)], charges[rows, : len(species.z)] = new.z, new.charges
            parent.append(np.repeat(np.array(who, dtype=np.int32), len(rows)))
            row.append(np.tile(rows, len(who)))
        ratio, log_p = (np.concatenate([np.empty(0), *c]) for c in ([f[2] for f in found], [f[1].log_p for f in found]))
        return cls(species_of_atom, np.concatenate(parent), np.concatenate(row), old, z, charges, ratio, log_p)

    def change(self, row: int) -> str:
        """Return the change in words, such as "Na1+ -> K1+, Cl1- -> Br1-"."""
        old = self.old[row]
        return ", ".join(
            f"{species_name(a, q)} -> {species_name(b, p)}"
            for a, q, b, p in zip(old.z, old.charges, self.z[row], self.charges[row], strict=False)
            if (a, q) != (b, p)
        )


def _substituted(
    parents: CrystalBatch,
    which: NDArray[np.int32],
    species_of_atom: NDArray[np.int64],
    z: NDArray[np.int64],
    volume_ratio: NDArray[np.float64],
) -> CrystalBatch:
    """Return parents `which` [n] with their species replaced by z [n, K] and their volumes scaled by a ratio [n]."""
    batch = parents.take(which)
    # The same selection of a batch that carries species instead of elements gives each new atom its species.
    species = CrystalBatch(species_of_atom, parents.frac_coords, parents.lattices, parents.offsets).take(which)
    numbers = z[batch.crystal_of_atom, species.numbers]
    return CrystalBatch(numbers, batch.frac_coords, batch.lattices, batch.offsets).scaled(volume_ratio)


def species_name(z: int, charge: int) -> str:
    """Return the name of a species, such as "Fe3+", "O2-"; "Fe" without charge."""
    return symbol(z) + (f"{abs(charge)}{'+' if charge > 0 else '-'}" if charge else "")
