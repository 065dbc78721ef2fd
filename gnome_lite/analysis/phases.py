"""All phases known at one level, as the analyses of one crystal need them: formula, energy, and where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import CrystalBatch, chemical_system, formula_counts, reduced_formula, symbol
from gnome_lite.core.errors import GnomeLiteError, LevelMismatchError
from gnome_lite.core.phases import Phase, PhaseSet, formation_energies
from gnome_lite.core.records import Verification
from gnome_lite.stability.hull import E_FORM_LIMIT_EV_PER_ATOM


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Phases of one level, n in all; build with `known_phases`.

    Attributes:
        formulas: reduced, as pymatgen writes them: oxygen is "O2".
        counts: atoms by atomic number, int64 [n, MAX_Z + 1].
        e_form_ev_per_atom: [n].
        known: it is of the reference set (the others were found here), [n].
        molecules: phases of molecules that stand for their gases and are *not* part of any hull, by formula, each
            as (id, formation energy in eV/atom).
    """

    level: str
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    counts: NDArray[np.int64]
    e_form_ev_per_atom: NDArray[np.float64]
    known: NDArray[np.bool_]
    molecules: dict[str, tuple[str, float]]
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Atomic fractions, [n, MAX_Z + 1]."""
        if "fractions" not in self._cache:
            self._cache["fractions"] = self.counts / self.counts.sum(axis=1, keepdims=True)
        found: NDArray[np.float64] = self._cache["fractions"]
        return found

    def elements(self, index: int) -> tuple[int, ...]:
        """Atomic numbers of one phase."""
        return tuple(int(z) for z in np.flatnonzero(self.counts[index]))

    def system(self, index: int) -> str:
        """Chemical system of one phase, e.g. "Ba-O-Ti"."""
        return chemical_system(np.flatnonzero(self.counts[index]))

    def lowest_within(self, elements: Collection[int]) -> NDArray[np.int64]:
        """The lowest phase of each composition that holds no other elements, indices in the order of formulas."""
        order, codes, kinds = self._sorted()
        inside = (self.counts[:, sorted(elements)] > 0).sum(axis=1) == kinds
        within = order[inside[order]]
        _, first = np.unique(codes[within], return_index=True)
        return within[first]

    def polymorphs(self, index: int) -> NDArray[np.int64]:
        """All phases of one phase's composition, itself included, lowest first."""
        order, codes, _ = self._sorted()
        return order[codes[order] == codes[index]]

    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Indices by formula, energy and id, [n]; a number for each formula, [n]; how many elements it has, [n]."""
        if "sorted" not in self._cache:
            _, codes = np.unique(np.array(self.formulas), return_inverse=True)
            order = np.lexsort((np.array(self.ids), self.e_form_ev_per_atom, codes))
            self._cache["sorted"] = (order, codes, (self.counts > 0).sum(axis=1))
        found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] = self._cache["sorted"]
        return found

    def find(self, text: str) -> int:
        """Index of a phase by its id, a beginning of one id alone, or a formula (then the lowest phase of it).

        Raises:
            GnomeLiteError: if there is none, or more than one.
        """
        if text in self.ids:
            return self.ids.index(text)
        begin = [i for i, name in enumerate(self.ids) if name.startswith(text)] if text else []
        if len(begin) == 1:
            return begin[0]
        if len(begin) > 1:
            raise GnomeLiteError(f"{len(begin)} phases have ids that begin with {text!r}: give more of it")
        formula = _reduced(text)
        same = [i for i, f in enumerate(self.formulas) if f == formula]
        if not same:
            raise GnomeLiteError(
                f"no phase {text!r} with an energy at level {self.level}: give the id of a verified crystal or of a "
                "reference (`gnome-lite query` lists crystals), or a formula that is known"
            )
        return min(same, key=lambda i: (self.e_form_ev_per_atom[i], self.ids[i]))


def known_phases(
    references: PhaseSet, verified: Sequence[Verification] = (), molecules: Sequence[Phase] = ()
) -> Phases:
    """References and verified crystals of one level; failed verifications and absurd energies are left out.

    Args:
        molecules: crystals of CO2 and H2O and the like at the same level, for reactions with gases.

    Raises:
        LevelMismatchError: if levels differ.
        MissingReferenceError: if an element has no reference energy.
    """
    for name, level in [(v.candidate_id, v.level) for v in verified] + [(m.id, m.level) for m in molecules]:
        if level != references.level:
            raise LevelMismatchError(
                f"{name} is of level {level}, the references are of {references.level}: use one level"
            )
    of_reference = {e.id for e in references.entries}
    new = {v.candidate_id: v for v in verified if v.ok and v.candidate_id not in of_reference}
    found = CrystalBatch.from_crystals(v.crystal for v in new.values())
    elemental = references.elemental_ev_per_atom
    e_form = np.concatenate(
        [
            references.e_form_ev_per_atom,
            formation_energies(found.counts, [v.energy_ev for v in new.values()], elemental),
        ]
    )
    counts = np.concatenate([references.crystals.counts, found.counts])
    usable = np.abs(e_form) <= E_FORM_LIMIT_EV_PER_ATOM
    ids = [e.id for e in references.entries] + list(new)
    formulas = references.crystals.reduced_formulas() + found.reduced_formulas()
    kept = np.flatnonzero(usable)
    return Phases(
        references.level,
        tuple(ids[i] for i in kept),
        tuple(formulas[i] for i in kept),
        counts[kept],
        e_form[kept],
        kept < len(references),
        _molecules(molecules, references),
    )


def _molecules(entries: Sequence[Phase], references: PhaseSet) -> dict[str, tuple[str, float]]:
    """The lowest crystal of each molecule whose elements have references."""
    lowest: dict[str, tuple[str, float]] = {}
    for e in entries:
        if all(symbol(z) in references.elemental_ev_per_atom for z in e.crystal.numbers):
            (e_form,) = formation_energies(e.crystal.counts[None], [e.energy_ev], references.elemental_ev_per_atom)
            formula = e.crystal.reduced_formula
            if formula not in lowest or e_form < lowest[formula][1]:
                lowest[formula] = (e.id, float(e_form))
    return lowest


def _reduced(formula: str) -> str:
    try:
        return reduced_formula(formula_counts(formula))
    except ValueError:
        return ""
