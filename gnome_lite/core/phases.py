"""Phases with energies at one level of theory: `PhaseSet`, what every hull, index and analysis is made from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import CrystalBatch, chemical_system, symbol
from gnome_lite.core.errors import LevelMismatchError, SourceError
from gnome_lite.core.formation import E_FORM_LIMIT_EV_PER_ATOM, absurd_element, formation_energies
from gnome_lite.core.levels import require_corrections_said
from gnome_lite.core.ragged import as_indices
from gnome_lite.core.records import Phase, Verification

VERIFIED = "gnome_lite, verified"
"""Source of phases that a campaign has found."""

_TEXTS = ("ids", "fingerprints", "sources", "licences")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class PhaseSet:
    """Phases at one level of theory, n in all: reference phases first, then those that were verified here.

    Immutable: build it with `make`, grow it with `add`, which returns a new set.

    Attributes:
        level: level of theory of all energies.
        ids: id of each phase, unique.
        crystals: relaxed crystals.
        energies_ev: energy of each cell, eV, [n].
        fingerprints, sources, licences: of each phase, as in `Phase`.
        n_references: how many of the first phases are reference phases.
        elemental_ev_per_atom: lowest energy of each element among the reference phases, eV/atom, by symbol.
        id: hash of level, ids and energies of the reference phases.
        left_out: what the sources could not use, and verifications that `add` did not take, by cause.
        molecules: (id, formation energy in eV/atom) of molecular crystals that stand for gases, by formula. They are
            no part of the set: a hull must not hold them.
    """

    level: str
    ids: tuple[str, ...]
    crystals: CrystalBatch
    energies_ev: NDArray[np.float64]
    fingerprints: tuple[str, ...]
    sources: tuple[str, ...]
    licences: tuple[str, ...]
    n_references: int
    elemental_ev_per_atom: Mapping[str, float]
    id: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    molecules: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, phases: Sequence[Phase], elemental_ev_per_atom: Mapping[str, float] | None = None) -> PhaseSet:
        """Check reference phases and put them in the order of their ids.

        Args:
            phases: reference phases of one level, elements included.
            elemental_ev_per_atom: energies of the elements, eV/atom; taken from the phases where not given.

        Raises:
            SourceError: if there are no phases, one has no level or no finite energy, or a pure element's energy is
                absurd beside its compounds.
            LevelMismatchError: if levels differ, or the one does not say which corrections hold.
        """
        if not phases:
            raise SourceError("the reference set is empty: choose sources that cover the chemical space")
        levels = sorted({p.level for p in phases})
        if len(levels) > 1:
            raise LevelMismatchError(f"levels {', '.join(levels)} in one reference set: use sources of one level")
        if not levels[0].strip():
            raise SourceError(f"reference {phases[0].id} has no level of theory: name the one its energy is of")
        require_corrections_said(levels[0])
        if bad := [p.id for p in phases if not math.isfinite(p.energy_ev)]:
            raise SourceError(f"reference {bad[0]} has no finite energy: remove or recompute it")
        ordered = sorted(phases, key=lambda p: p.id)
        digest = sha256(levels[0].encode())
        for p in ordered:
            digest.update(f"{p.id} {p.energy_ev:.8f};".encode())
        made = cls(
            level=levels[0],
            ids=tuple(p.id for p in ordered),
            crystals=CrystalBatch.from_crystals(p.crystal for p in ordered),
            energies_ev=np.array([p.energy_ev for p in ordered]),
            fingerprints=tuple(p.fingerprint for p in ordered),
            sources=tuple(p.source for p in ordered),
            licences=tuple(p.licence for p in ordered),
            n_references=len(ordered),
            elemental_ev_per_atom={},
            id=digest.hexdigest()[:16],
        )
        lowest = dict(elemental_ev_per_atom) if elemental_ev_per_atom is not None else made._lowest_elements()
        made = replace(made, elemental_ev_per_atom=dict(sorted(lowest.items())))
        made._require_sane_elements()
        return made

    def add(self, verified: Sequence[Verification], licence: str = "") -> PhaseSet:
        """Return the set with the phases of successful verifications behind it, in their order.

        Failures, and ids that are in the set already, are left out and counted in `left_out`.

        Args:
            verified: outcomes at this level.
            licence: licence of the added phases.

        Raises:
            LevelMismatchError: if one is of another level.
        """
        self._require_level((v.candidate_id, v.level) for v in verified)
        new = {v.candidate_id: v for v in verified if v.ok and v.candidate_id not in self}
        failed = sum(not v.ok for v in verified)
        causes = {"verification failed": failed, "also a reference": len(verified) - failed - len(new)}
        grown = self.grow(
            tuple(new),
            CrystalBatch.from_crystals(v.crystal for v in new.values()),
            np.array([v.energy_ev for v in new.values()], dtype=np.float64),
            tuple(v.fingerprint for v in new.values()),
            licence,
        )
        left_out = Counter(self.left_out) + Counter({cause: n for cause, n in causes.items() if n})
        return replace(grown, left_out=dict(left_out))

    def grow(
        self,
        ids: tuple[str, ...],
        crystals: CrystalBatch,
        energies_ev: NDArray[np.float64],
        fingerprints: tuple[str, ...],
        licence: str = "",
    ) -> PhaseSet:
        """Return the set with m verified phases of this level behind it, none of which it holds yet.

        Args:
            ids: ids, [m].
            crystals: relaxed crystals, [m].
            energies_ev: energy of each cell, eV, [m].
            fingerprints: fingerprints, as in `Phase`, [m].
            licence: licence of the added phases.
        """
        if not ids:
            return self
        grown = replace(
            self,
            ids=self.ids + ids,
            crystals=CrystalBatch.concatenate([self.crystals, crystals]),
            energies_ev=np.concatenate([self.energies_ev, energies_ev]),
            fingerprints=self.fingerprints + fingerprints,
            sources=self.sources + (VERIFIED,) * len(ids),
            licences=self.licences + (licence,) * len(ids),
            _cache={},
        )
        # Counts and formulas of the old phases are kept.
        if "counts" in self._cache:
            grown._cache["counts"] = np.concatenate([self.counts, crystals.counts])
        if "formulas" in self._cache:
            grown._cache["formulas"] = self.formulas + tuple(crystals.reduced_formulas())
        return grown

    def with_molecules(self, molecules: Sequence[Phase]) -> PhaseSet:
        """Return the set beside molecular crystals (CO2, H2O) of its level, for reactions with gases.

        Raises:
            LevelMismatchError: if one is of another level.
        """
        self._require_level((m.id, m.level) for m in molecules)
        lowest: dict[str, tuple[str, float]] = {}
        for m in molecules:
            if all(symbol(z) in self.elemental_ev_per_atom for z in m.crystal.numbers):
                (e_form,) = formation_energies(m.crystal.counts[None], [m.energy_ev], self.elemental_ev_per_atom)
                formula = m.crystal.reduced_formula
                if formula not in lowest or e_form < lowest[formula][1]:
                    lowest[formula] = (m.id, float(e_form))
        return replace(self, molecules=lowest)

    def take(self, which: ArrayLike) -> PhaseSet:
        """Return the phases at ascending integer indices, or where a mask [n] is true; elemental energies stay."""
        index = as_indices(which)
        texts: dict[str, Any] = {name: tuple(getattr(self, name)[i] for i in index) for name in _TEXTS}
        return replace(
            self,
            crystals=self.crystals.take(index),
            energies_ev=self.energies_ev[index],
            **texts,
            n_references=int((index < self.n_references).sum()),
            left_out={},
            _cache={},
        )

    @property
    def references(self) -> PhaseSet:
        """The reference phases alone."""
        return self if self.n_references == len(self) else self.take(np.arange(self.n_references))

    def within(self, elements: Collection[str]) -> PhaseSet:
        """Return the phases that hold no other elements, given as symbols."""
        return self.take(self.crystals.within(elements))

    def near_hull(
        self, e_above_hull_ev_per_atom: NDArray[np.float64], limit_ev_per_atom: float, max_atoms: int | None = None
    ) -> PhaseSet:
        """Return the small phases near a hull.

        Args:
            e_above_hull_ev_per_atom: distance of each phase to that hull, [n].
            limit_ev_per_atom: largest distance to it.
            max_atoms: most atoms in the cell; None for any number.
        """
        fit = e_above_hull_ev_per_atom <= limit_ev_per_atom
        return self.take(fit if max_atoms is None else fit & (self.crystals.n_atoms <= max_atoms))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, phase_id: object) -> bool:
        return phase_id in self._index

    def __getitem__(self, index: int) -> Phase:
        return Phase(
            self.ids[index], self.crystals[index], float(self.energies_ev[index]), self.level,
            self.sources[index], self.licences[index], self.fingerprints[index],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Phase]:
        return (self[i] for i in range(len(self)))

    def index(self, phase_id: str) -> int:
        """Return the place of a phase; raises KeyError if it is not in the set."""
        return self._index[phase_id]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Atoms by atomic number, [n, MAX_Z + 1]."""
        return self._once("counts", lambda: self.crystals.counts)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Reduced formulas, as pymatgen writes them: oxygen is "O2"."""
        return self._once("formulas", lambda: tuple(self.crystals.reduced_formulas()))

    @property
    def e_form_ev_per_atom(self) -> NDArray[np.float64]:
        """Formation energies, eV/atom, [n].

        Raises:
            MissingReferenceError: if an element has no reference energy.
        """
        return self._once(
            "e_form", lambda: formation_energies(self.counts, self.energies_ev, self.elemental_ev_per_atom)
        )

    @property
    def is_reference(self) -> NDArray[np.bool_]:
        """Which phases are reference phases, [n]."""
        return np.arange(len(self)) < self.n_references

    @property
    def source_counts(self) -> tuple[tuple[str, str, int], ...]:
        """(source, licence, number of phases), most phases first."""
        tally = Counter(zip(self.sources, self.licences, strict=True))
        return tuple((s, lic, n) for (s, lic), n in sorted(tally.items(), key=lambda kv: -kv[1]))

    @property
    def licence_counts(self) -> dict[str, int]:
        """Number of phases of each licence, most first."""
        return dict(Counter(self.licences).most_common())

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Atomic fractions, [n, MAX_Z + 1]."""
        return self._once("fractions", lambda: self.counts / self.counts.sum(axis=1, keepdims=True))

    def elements(self, index: int) -> tuple[int, ...]:
        """Return the atomic numbers of one phase."""
        return tuple(int(z) for z in np.flatnonzero(self.counts[index]))

    def lowest_within(self, elements: Collection[int]) -> NDArray[np.int64]:
        """Return the lowest phase of each composition that holds no other atomic numbers, in the order of formulas."""
        order, codes, kinds = self.by_formula
        inside = (self.counts[:, sorted(elements)] > 0).sum(axis=1) == kinds
        within = order[inside[order]]
        _, first = np.unique(codes[within], return_index=True)
        return within[first]

    def polymorphs(self, index: int) -> NDArray[np.int64]:
        """Return all phases of one phase's composition, itself included, lowest first."""
        order, codes, _ = self.by_formula
        return order[codes[order] == codes[index]]

    @property
    def _index(self) -> dict[str, int]:
        return self._once("index", lambda: {name: i for i, name in enumerate(self.ids)})

    @property
    def by_formula(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Places sorted by formula, energy and id; formula numbers, [n]; numbers of elements, [n].

        Phases of absurd energy have no place.
        """

        def work_out() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
            _, codes = np.unique(np.array(self.formulas), return_inverse=True)
            order = np.lexsort((np.array(self.ids), self.e_form_ev_per_atom, codes))
            sane = np.abs(self.e_form_ev_per_atom) <= E_FORM_LIMIT_EV_PER_ATOM
            return order[sane[order]], codes, (self.counts > 0).sum(axis=1)

        return self._once("sorted", work_out)

    def _require_level(self, energies: Iterable[tuple[str, str]]) -> None:
        """Raise LevelMismatchError for the first (id, level) that is of another level."""
        for name, level in energies:
            if level != self.level:
                raise LevelMismatchError(
                    f"{name} is of level {level}, the reference phases are of {self.level}: one hull holds one level"
                )

    def _lowest_elements(self) -> dict[str, float]:
        lowest: dict[str, float] = {}
        for i in np.flatnonzero((self.counts > 0).sum(axis=1) == 1).tolist():
            name, energy = chemical_system(self.elements(i)), float(self.energies_ev[i]) / int(self.counts[i].sum())
            lowest[name] = min(lowest.get(name, math.inf), energy)
        return lowest

    def _require_sane_elements(self) -> None:
        """Raise SourceError for an elemental phase whose compounds give its energy away as absurd."""
        found = absurd_element(self.counts, self.energies_ev, self.elemental_ev_per_atom)
        if found is not None:
            name, off = found
            wrong = min((p for p in self if p.crystal.chemical_system == name), key=lambda p: p.energy_ev_per_atom)
            raise SourceError(
                f"reference {wrong.id}, pure {name} at {wrong.energy_ev_per_atom:.1f} eV/atom, puts its compounds "
                f"{off:+.0f} eV per atom of {name} from the elements: remove or recompute it"
            )

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._cache:
            self._cache[name] = make()
        return cast(T, self._cache[name])
