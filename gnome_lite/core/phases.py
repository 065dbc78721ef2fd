"""Known phases with energies of one level: a reference set, and formation energies against its elements."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch, reduced_formula, symbol
from gnome_lite.core.errors import LevelMismatchError, MissingReferenceError, SourceError

E_FORM_PER_FRACTION_LIMIT_EV = 20.0
"""Of compounds that hold at least a quarter of an element: beyond, it is the element's reference that is wrong."""

LICENCE = "CC-BY-4.0"
"""Of what this project computes and ships."""

_PERMISSIVE = re.compile(
    r"^(CC ?BY( ?[1-4](\.0)?)?|CC ?0( 1(\.0)?)?|PUBLIC DOMAIN|PDDL.*|ODC ?BY.*|MIT|BSD.*|APACHE.*)$"
)


def permissive(licence: str) -> bool:
    """Whether entries may be used by anyone for anything, attribution aside: CC BY, CC0, MIT and the like.

    Not: non-commercial, no-derivatives and share-alike licences, and whatever is not known.
    """
    return _PERMISSIVE.match(" ".join(re.split(r"[\s_-]+", licence.strip().upper()))) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """One known phase at one level: a relaxed crystal and the energy of its cell.

    `fingerprint` is the bucket key of `novelty`, where the source carries it ("" = work it out).
    """

    id: str
    crystal: Crystal
    energy_ev: float
    level: str
    source: str
    licence: str
    fingerprint: str = ""

    @property
    def energy_ev_per_atom(self) -> float:
        return self.energy_ev / len(self.crystal)


@dataclass(frozen=True, slots=True, eq=False)
class PhaseSet:
    """All known phases of one level, elements included. Build with `PhaseSet.make`.

    Attributes:
        elemental_ev_per_atom: lowest energy per atom of each element present, by symbol.
        id: hash of level, entry ids and energies.
    """

    entries: tuple[Phase, ...]
    level: str
    elemental_ev_per_atom: Mapping[str, float]
    id: str
    _arrays: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, entries: Sequence[Phase]) -> PhaseSet:
        """Check and freeze.

        Raises:
            SourceError: if there are no entries, one has no level or no finite energy, or a pure element's energy is
                absurd beside its compounds.
            LevelMismatchError: if levels differ.
        """
        if not entries:
            raise SourceError("the reference set is empty: choose sources that cover the chemical space")
        levels = sorted({e.level for e in entries})
        if len(levels) > 1:
            raise LevelMismatchError(f"levels {', '.join(levels)} in one reference set: use sources of one level")
        if not levels[0].strip():
            raise SourceError(f"reference {entries[0].id} has no level of theory: name the one its energy is of")
        bad = [e.id for e in entries if not math.isfinite(e.energy_ev)]
        if bad:
            raise SourceError(f"reference {bad[0]} has no finite energy: remove or recompute it")
        ordered = tuple(sorted(entries, key=lambda e: e.id))
        elemental: dict[str, float] = {}
        for e in ordered:
            kinds = np.unique(e.crystal.numbers)
            if len(kinds) == 1:
                name = symbol(kinds[0])
                elemental[name] = min(elemental.get(name, math.inf), e.energy_ev_per_atom)
        digest = sha256(levels[0].encode())
        for e in ordered:
            digest.update(f"{e.id} {e.energy_ev:.8f};".encode())
        made = cls(ordered, levels[0], dict(sorted(elemental.items())), digest.hexdigest()[:16])
        made._check_elements()
        return made

    def __len__(self) -> int:
        return len(self.entries)

    def _check_elements(self) -> None:
        """One elemental entry of -100 eV/atom would put Li2O 62 eV/atom above the hull: its compounds give it away."""
        counts, n_atoms = self.crystals.counts, self.crystals.n_atoms
        reference = np.full(counts.shape[1], np.nan)
        for z in np.flatnonzero(counts.any(axis=0)):
            reference[z] = self.elemental_ev_per_atom.get(symbol(z), np.nan)
        known = np.isfinite(reference)
        compounds = (counts[:, known] > 0).sum(axis=1) > 1
        compounds &= ~(counts[:, ~known] > 0).any(axis=1)
        e_form = (self.energies_ev - counts[:, known] @ reference[known]) / n_atoms
        absurd: dict[int, float] = {}
        for z in np.flatnonzero(known):
            fraction = counts[:, z] / n_atoms
            rich = compounds & (fraction >= 0.25)
            off = float(np.median(e_form[rich] / fraction[rich])) if rich.any() else 0.0
            if abs(off) > E_FORM_PER_FRACTION_LIMIT_EV:
                absurd[int(z)] = off
        if absurd:
            worst = max(absurd, key=lambda k: abs(float(reference[k])))  # in Li2O alone both elements look wrong
            name = symbol(worst)
            pure = [e for e in self.entries if e.crystal.chemical_system == name]
            wrong = min(pure, key=lambda e: e.energy_ev_per_atom)
            raise SourceError(
                f"reference {wrong.id}, pure {name} at {wrong.energy_ev_per_atom:.1f} eV/atom, puts its compounds "
                f"{absurd[worst]:+.0f} eV per atom of {name} from the elements: remove or recompute it"
            )

    @property
    def crystals(self) -> CrystalBatch:
        return self._once("crystals", lambda: CrystalBatch.from_crystals(e.crystal for e in self.entries))

    @property
    def energies_ev(self) -> NDArray[np.float64]:
        """Energy of each cell, eV, [n]."""
        return self._once("energies", lambda: np.array([e.energy_ev for e in self.entries]))

    @property
    def e_form_ev_per_atom(self) -> NDArray[np.float64]:
        """Formation energy of each entry, eV/atom, [n]."""
        return self._once(
            "e_form", lambda: formation_energies(self.crystals.counts, self.energies_ev, self.elemental_ev_per_atom)
        )

    @property
    def sources(self) -> tuple[tuple[str, str, int], ...]:
        """(source, licence, number of entries), most entries first."""
        tally: dict[tuple[str, str], int] = {}
        for e in self.entries:
            tally[e.source, e.licence] = tally.get((e.source, e.licence), 0) + 1
        return tuple((s, lic, n) for (s, lic), n in sorted(tally.items(), key=lambda kv: -kv[1]))

    @property
    def licences(self) -> dict[str, int]:
        """Number of entries of each licence, most first."""
        return dict(Counter(e.licence for e in self.entries).most_common())

    def _once(self, name: str, make: Any) -> Any:
        if name not in self._arrays:
            self._arrays[name] = make()
        return self._arrays[name]


def formation_energies(
    counts: NDArray[np.int64], energies_ev: ArrayLike, elemental_ev_per_atom: Mapping[str, float]
) -> NDArray[np.float64]:
    """Formation energies against elemental references of the same level.

    Args:
        counts: atoms by atomic number, [n, MAX_Z + 1].
        energies_ev: energy of each cell, eV, [n].
        elemental_ev_per_atom: reference energy of each element, by symbol.

    Returns:
        Formation energy, eV/atom, [n].

    Raises:
        MissingReferenceError: if an element has no reference.
    """
    reference = np.zeros(counts.shape[1])
    for z in np.flatnonzero(counts.any(axis=0)):
        if symbol(z) not in elemental_ev_per_atom:
            example = reduced_formula(counts[np.flatnonzero(counts[:, z])[0]])
            raise MissingReferenceError(
                f"no elemental reference energy for {symbol(z)} (needed by {example}): "
                f"add a crystal of pure {symbol(z)} at this level to the sources"
            )
        reference[z] = elemental_ev_per_atom[symbol(z)]
    return (np.asarray(energies_ev, dtype=np.float64) - counts @ reference) / counts.sum(axis=1)
