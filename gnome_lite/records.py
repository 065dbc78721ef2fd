"""The frozen records that cross rooms. Units stand in the names; a failure of one crystal is a value here.

Energies are in eV or eV/atom, forces in eV/Å, volumes in Å^3. "Level" is a level of theory, e.g.
"chgnet-0.3.0"; energies of two levels never meet in one hull.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.crystals import Crystal, CrystalBatch, reduced_formula, symbol
from gnome_lite.errors import LevelMismatchError, MissingReferenceError, SourceError

STABLE_EV_PER_ATOM = 5e-5
"""A crystal at most this far above the hull is on it (tolerance of GNoME's released analysis)."""


class Failure(StrEnum):
    """Why the verification of one crystal gave no usable energy."""

    UNCONVERGED = "unconverged"
    EXPLODED = "exploded"
    OVERLAP = "overlap"
    NON_FINITE = "non-finite"
    OUT_OF_DOMAIN = "out of domain"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A crystal proposed by a generator; `id` is its content hash.

    Attributes:
        change: what was done to the parent, e.g. "Na1+ -> K1+".
        probability: the generator's own weight of the change, 0..1 (NaN where it has none).
    """

    id: str
    crystal: Crystal
    parent_id: str
    generator: str
    change: str
    round: int
    probability: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class CandidatePool:
    """Many candidates as one `CrystalBatch` with parallel sequences, all of length n."""

    crystals: CrystalBatch
    parent_ids: tuple[str, ...]
    changes: tuple[str, ...]
    generators: tuple[str, ...]
    probabilities: NDArray[np.float64]
    round: int

    def __len__(self) -> int:
        return len(self.crystals)

    def candidate(self, index: int) -> Candidate:
        crystal = self.crystals[index]
        return Candidate(
            crystal.content_id,
            crystal,
            self.parent_ids[index],
            self.generators[index],
            self.changes[index],
            self.round,
            float(self.probabilities[index]),
        )

    def take(self, which: ArrayLike) -> CandidatePool:
        """The candidates at integer indices, or where a boolean mask [n] is true."""
        index = np.asarray(which)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return CandidatePool(
            self.crystals.take(index),
            tuple(self.parent_ids[i] for i in index),
            tuple(self.changes[i] for i in index),
            tuple(self.generators[i] for i in index),
            self.probabilities[index],
            self.round,
        )

    @classmethod
    def concatenate(cls, pools: Sequence[CandidatePool], round: int) -> CandidatePool:
        return cls(
            CrystalBatch.concatenate([p.crystals for p in pools]),
            tuple(x for p in pools for x in p.parent_ids),
            tuple(x for p in pools for x in p.changes),
            tuple(x for p in pools for x in p.generators),
            np.concatenate([np.empty(0), *(p.probabilities for p in pools)]),
            round,
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the ensemble says of one candidate.

    Attributes:
        spread_ev_per_atom: interquartile range over the members.
        e_above_hull_ev_per_atom: signed distance to the hull of all *known* phases; negative means
            the prediction lies below the hull.
        p_stable: probability, 0..1, that verification will find it on the hull.
    """

    candidate_id: str
    e_form_ev_per_atom: float
    spread_ev_per_atom: float
    e_above_hull_ev_per_atom: float
    p_stable: float
    model_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The outcome of relaxing one candidate at one level. With a `failure` the energy is NaN.

    Attributes:
        crystal: the relaxed crystal, or the last one known where it failed.
        energy_ev: energy of the whole cell.
    """

    candidate_id: str
    crystal: Crystal
    energy_ev: float
    max_force_ev_per_ang: float
    n_steps: int
    converged: bool
    level: str
    seconds: float
    failure: Failure | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def energy_ev_per_atom(self) -> float:
        return self.energy_ev / len(self.crystal)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a verified crystal stands against one hull.

    Attributes:
        e_above_hull_ev_per_atom: >= 0, the crystal itself being part of the hull.
        decomposition_ev_per_atom: energy relative to all *other* phases; negative pushes the hull down.
        products: phases it would decompose into, as (entry id, formula, fraction of atoms).
        nearest_known: id of the known crystal it equals (`novel` is then False) or, for a novel one,
            of the known crystal of the same formula closest in energy; None where there is none.
    """

    candidate_id: str
    e_form_ev_per_atom: float
    e_above_hull_ev_per_atom: float
    decomposition_ev_per_atom: float
    products: tuple[tuple[str, str, float], ...]
    hull_id: str
    level: str
    novel: bool
    nearest_known: str | None
    ordering_suspect: bool

    @property
    def stable(self) -> bool:
        return self.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceEntry:
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
class ReferenceSet:
    """All known phases of one level, elements included. Build with `ReferenceSet.make`.

    Attributes:
        elemental_ev_per_atom: lowest energy per atom of each element present, by symbol.
        id: hash of level, entry ids and energies.
    """

    entries: tuple[ReferenceEntry, ...]
    level: str
    elemental_ev_per_atom: Mapping[str, float]
    id: str
    _arrays: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def make(cls, entries: Sequence[ReferenceEntry]) -> ReferenceSet:
        """Check and freeze.

        Raises:
            SourceError: if there are no entries or an energy is not finite.
            LevelMismatchError: if levels differ.
        """
        if not entries:
            raise SourceError("the reference set is empty: choose sources that cover the chemical space")
        levels = sorted({e.level for e in entries})
        if len(levels) > 1:
            raise LevelMismatchError(f"levels {', '.join(levels)} in one reference set: use sources of one level")
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
        return cls(ordered, levels[0], dict(sorted(elemental.items())), digest.hexdigest()[:16])

    def __len__(self) -> int:
        return len(self.entries)

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


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Labelled crystals for the network, n in all.

    Attributes:
        crystals: relaxed crystals and unrelaxed inputs of verified ones, [n].
        e_form_ev_per_atom: formation energy of the *relaxed* crystal, eV/atom, [n].
    """

    crystals: CrystalBatch
    e_form_ev_per_atom: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.crystals)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One trained ensemble: where it lies, what it was trained on, how well it does on unseen formulas."""

    id: str
    path: str
    n_train: int
    n_holdout: int
    holdout_mae_ev_per_atom: float
    promoted: bool = True


@dataclass(frozen=True, slots=True)
class RoundReport:
    """Figures of one round. Rates are None where nothing could be counted.

    Attributes:
        control: of the verified, those drawn at random; the others were chosen.
        hit_rate: surrogate-stable *and* novel, of those chosen and verified.
        control_hit_rate: the same for the random control drawn from the same gated pool.
        daf: discovery acceleration factor, hit_rate / control_hit_rate.
        mae_ev_per_atom: |predicted - verified| formation energy of crystals the network had not seen.
        calibration_error: expected calibration error of p_stable over the verified.
    """

    round: int
    generated: int
    gated: int
    duplicates: int
    screened: int
    verified: int
    control: int
    failed: int
    stable: int
    novel: int
    hits: int
    hit_rate: float | None
    control_hit_rate: float | None
    daf: float | None
    mae_ev_per_atom: float | None
    calibration_error: float | None
    ordering_suspects: int
    failures: Mapping[str, int]
    gate_causes: Mapping[str, int]
    model_id: str
    hull_id: str
    seconds: Mapping[str, float]
