"""The possibilities of partial substitution of a block of parents: listed, drawn at random, made into crystals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.volume import estimate_volume
from gnome_lite.core.crystals import MAX_Z, Crystal, CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.decorations import Decorations, SiteChoices
from gnome_lite.generate.enumeration import ParentSpecies
from gnome_lite.generate.substitution import species_name
from gnome_lite.generate.supercells import supercells

RANK_BITS = 16
"""A site's species and its rank among that species' sites travel as one integer: the rank in these low bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """c ways to replace a species of a parent in part.

    Attributes:
        species: index of the species, int64 [c].
        z, charges: of the new species, int64 [c].
        log_p: log-probability, [c].
    """

    species: NDArray[np.int64]
    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    log_p: NDArray[np.float64]

    @classmethod
    def concatenate(cls, changes: Sequence[Changes]) -> Changes:
        columns = ([getattr(c, f.name) for c in changes] for f in fields(cls))
        empty = [np.empty(0, np.int64)] * 3 + [np.empty(0)]
        return cls(*(np.concatenate([none, *column]) for none, column in zip(empty, columns, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A parent ready to be substituted in part.

    Attributes:
        index: of the parent in its batch.
        crystal: its primitive cell.
        species: its k species.
        site: which of them each site is, int64 [n_atoms].
        decorations: choices of sites.
        changes: choices of ions.
    """

    index: int
    crystal: Crystal
    species: ParentSpecies
    site: NDArray[np.int64]
    decorations: Decorations
    changes: Changes

    @property
    def n_possibilities(self) -> int:
        """Choices of ions and sites, before compositions are looked at."""
        of_species = np.bincount(
            self.decorations.species, np.diff(self.decorations.start), minlength=len(self.species.z)
        )
        return int(of_species[self.changes.species].sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """g groups of possibilities that differ in the choice of sites only: a change of ions at one fraction of the sites.

    Attributes:
        parent: index in the block, int64 [g].
        change: the same number for the groups of one change of one parent, int64 [g].
        species, z, charges, log_p: the change, as in `Changes`, [g].
        numerator, denominator: the fraction of the species' sites, int64 [g].
        first: the group's first choice of sites, in the concatenated decorations of the parents, int64 [g].
        n_choices: how many there are, int64 [g].
    """

    parent: NDArray[np.int64]
    change: NDArray[np.int64]
    species: NDArray[np.int64]
    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    log_p: NDArray[np.float64]
    numerator: NDArray[np.int64]
    denominator: NDArray[np.int64]
    first: NDArray[np.int64]
    n_choices: NDArray[np.int64]

    @classmethod
    def of(cls, index: int, parent: Parent, first_change: int, first_choice: int) -> _Groups:
        """Return all groups of one parent."""
        changes, sites = parent.changes, parent.decorations
        c, f = np.nonzero(changes.species[:, None] == sites.species)
        ions = changes.species[c], changes.z[c], changes.charges[c], changes.log_p[c]
        choices = first_choice + sites.start[f], np.diff(sites.start)[f]
        return cls(np.full(len(c), index), first_change + c, *ions, sites.numerator[f], sites.denominator[f], *choices)

    @classmethod
    def concatenate(cls, groups: Sequence[_Groups]) -> _Groups:
        return cls(*(np.concatenate([getattr(g, f.name) for g in groups]) for f in fields(cls)))

    def take(self, which: NDArray[np.bool_]) -> _Groups:
        return _Groups(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class _Species:
    """Species of all p parents of a block, padded with zeros to the same number k: int64 [p, k] each."""

    z: NDArray[np.int64]
    charges: NDArray[np.int64]
    atoms: NDArray[np.int64]

    @classmethod
    def of(cls, parents: Sequence[Parent]) -> _Species:
        padded = np.zeros((3, len(parents), max(len(p.species.z) for p in parents)), dtype=np.int64)
        for i, p in enumerate(parents):
            padded[:, i, : len(p.species.z)] = p.species.z, p.species.charges, p.species.atoms
        return cls(*padded)

    def after(self, groups: _Groups, vacant: bool = False) -> tuple[_Species, _Species]:
        """Return species before and after each group's change, [g, k + 1], in the smallest cell of whole atoms.

        The last column is the new species; before the change it is the rest of the old one, which is gone where its
        other sites become vacant.
        """
        row, old = np.arange(len(groups.parent)), groups.species
        atoms = self.atoms[groups.parent] * groups.denominator[:, None]
        replaced = self.atoms[groups.parent, old] * groups.numerator
        atoms[row, old] = 0 if vacant else atoms[row, old] - replaced
        atoms = np.column_stack([atoms, replaced])
        z, charges = self.z[groups.parent], self.charges[groups.parent]
        before = _Species(np.column_stack([z, z[row, old]]), np.column_stack([charges, charges[row, old]]), atoms)
        return before, _Species(np.column_stack([z, groups.z]), np.column_stack([charges, groups.charges]), atoms)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Atoms by atomic number, int64 [p, MAX_Z + 1]."""
        counts = np.zeros((len(self.z), MAX_Z + 1), dtype=np.int64)
        np.add.at(counts, (np.arange(len(self.z))[:, None], self.z), self.atoms)
        return counts


@dataclass(frozen=True, eq=False)
class Block:
    """N possibilities: each a group, and one of the group's choices of sites.

    Attributes:
        parents: of the block.
        groups: g of them.
        volume_ratio: new over old volume, [g].
        group: of each possibility, int32 [N].
        choice: in the concatenated decorations of the parents, int32 [N].
        vacant: sites that are not chosen are left empty.
    """

    parents: Sequence[Parent]
    groups: _Groups
    volume_ratio: NDArray[np.float64]
    group: NDArray[np.int32]
    choice: NDArray[np.int32]
    vacant: bool

    @classmethod
    def make(
        cls, parents: Sequence[Parent], allowed: Callable[[NDArray[np.int64]], NDArray[np.bool_]], vacant: bool = False
    ) -> Block:
        """Return every possibility of at least one parent whose composition is `allowed`, counts [n, MAX_Z + 1] -> [n].

        Where sites are left empty, the new ions bring the charge of those that were there.
        """
        first_change = _starts([len(p.changes.species) for p in parents])
        first_choice = _starts([len(p.decorations.choices) for p in parents])
        groups = _Groups.concatenate(
            [_Groups.of(i, p, first_change[i], first_choice[i]) for i, p in enumerate(parents)]
        )
        species = _Species.of(parents)
        if vacant:
            old = species.charges[groups.parent, groups.species]
            groups = groups.take(groups.charges * groups.numerator == old * groups.denominator)
        groups = groups.take(allowed(species.after(groups, vacant)[1].counts))
        # Empty sites are as large as they were: what is around them does not close in on them.
        before, after = species.after(groups)
        ratio = estimate_volume(1.0, before.z, before.charges, after.z, after.charges, after.atoms)
        group = np.repeat(np.arange(len(groups.parent), dtype=np.int32), groups.n_choices)
        within = np.arange(len(group)) - _starts(groups.n_choices)[group]
        return cls(parents, groups, ratio, group, (groups.first[group] + within).astype(np.int32), vacant)

    def __len__(self) -> int:
        return len(self.group)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return all possibilities, drawn without replacement: changes weigh their probability, shared by choices."""
        of_change = np.bincount(self.groups.change, self.groups.n_choices)[self.groups.change]
        log_weight = self.groups.log_p - np.log(of_change)
        rank = log_weight[self.group] + rng.gumbel(size=len(self))
        return np.argsort(-rank, kind="stable")

    def pool(self, pick: NDArray[np.int64], parent_ids: Sequence[str], generator: str, round: int) -> CandidatePool:
        """Return some of the possibilities, [n], as crystals."""
        group, sites = self.group[pick], self._sites.take(self.choice[pick])
        parent = self.groups.parent[group]
        batch = self._cells.take(sites.cell)
        owner = batch.crystal_of_atom
        kind, rank = batch.numbers >> RANK_BITS, batch.numbers & ((1 << RANK_BITS) - 1)
        of_species = kind == self.groups.species[group][owner]
        chosen = of_species & (sites.mask[owner] >> rank & 1).astype(bool)
        numbers = np.where(chosen, self.groups.z[group][owner], self._species.z[parent[owner], kind])
        occupied = chosen | ~of_species if self.vacant else np.ones(len(chosen), dtype=bool)
        offsets = np.concatenate([[0], np.cumsum(occupied)])[batch.offsets]
        crystals = CrystalBatch(numbers[occupied], batch.frac_coords[occupied], batch.lattices, offsets)
        said = zip(group.tolist(), sites.size.tolist(), sites.n_sites.tolist(), strict=True)
        return CandidatePool(
            crystals.scaled(self.volume_ratio[group]),
            tuple(parent_ids[self.parents[p].index] for p in parent.tolist()),
            tuple(f"{self._changes[g]} ({k} of {n}{', else empty' * self.vacant})" for g, k, n in said),
            (generator,) * len(pick),
            np.exp(self.groups.log_p[group]),
            sites.multiplicity,
            round,
        )

    @cached_property
    def _species(self) -> _Species:
        return _Species.of(self.parents)

    @cached_property
    def _changes(self) -> list[str]:
        """Changes of ions in each group, [g], such as "Fe3+ -> Al3+"."""
        old = self.groups.parent, self.groups.species
        columns = self._species.z[old], self._species.charges[old], self.groups.z, self.groups.charges
        rows = zip(*(c.tolist() for c in columns), strict=True)
        return [f"{species_name(a, q)} -> {species_name(b, p)}" for a, q, b, p in rows]

    @cached_property
    def _sites(self) -> SiteChoices:
        """All choices of sites of all parents."""
        n_cells = [len(p.decorations.forms) for p in self.parents]
        return SiteChoices.concatenate([p.decorations.choices for p in self.parents], n_cells)

    @cached_property
    def _cells(self) -> CrystalBatch:
        """All supercells of all parents; "numbers" hold species and rank of each site instead of elements."""
        made = []
        for p in self.parents:
            kind = Crystal(p.site, p.crystal.frac_coords, p.crystal.lattice)
            for n in np.unique(p.decorations.indices):
                batch, _ = supercells(kind, p.decorations.forms[p.decorations.indices == n])
                same = np.repeat(p.site, n)[:, None] == np.repeat(p.site, n)
                rank = np.tril(same, -1).sum(axis=1)
                code = (batch.numbers << RANK_BITS) + np.tile(rank, len(batch))
                made.append(CrystalBatch(code, batch.frac_coords, batch.lattices, batch.offsets))
        return CrystalBatch.concatenate(made)


def _starts(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of some ranges of given lengths begins when laid end to end."""
    return np.cumsum(np.asarray(lengths, dtype=np.int64)) - lengths
