"""The frozen records that cross rooms. Units stand in the names; a failure of one crystal is a value here.

Energies are in eV or eV/atom, forces in eV/Å, volumes in Å^3; "level" is a level of theory, e.g. "chgnet-0.3.0".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.ragged import as_indices

STABLE_EV_PER_ATOM = 5e-5
"""A crystal at most this far above the hull is on it (tolerance of GNoME's released analysis)."""
MISSING_REFERENCE_EV_PER_ATOM = 0.1
"""Further below all others few real compounds lie: it is likelier that a competing phase is missing."""


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
class Phase:
    """One phase at one level of theory: a relaxed crystal and the energy of its cell.

    Attributes:
        fingerprint: formula and Wyckoff-labelled prototype, the key of duplicate search ("" = not worked out).
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
        """Energy, eV/atom."""
        return self.energy_ev / len(self.crystal)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A crystal proposed by a generator; `id` is its content hash.

    Attributes:
        parent_id: the known crystal it was made from; "" for a crystal made from a composition alone.
        change: what was done to the parent, e.g. "Na1+ -> K1+".
        probability: the generator's own weight of the change, 0..1 (NaN where it has none).
        multiplicity: how many symmetry-equivalent choices it stands for.
    """

    id: str
    crystal: Crystal
    parent_id: str
    generator: str
    change: str
    round: int
    probability: float = math.nan
    multiplicity: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class CandidatePool:
    """Many candidates as one `CrystalBatch` with parallel sequences, all of length n; fields as in `Candidate`."""

    crystals: CrystalBatch
    parent_ids: tuple[str, ...]
    changes: tuple[str, ...]
    generators: tuple[str, ...]
    probabilities: NDArray[np.float64]
    multiplicities: NDArray[np.int64]
    round: int

    def __len__(self) -> int:
        return len(self.crystals)

    def candidate(self, index: int) -> Candidate:
        """Return one of the candidates."""
        return self._candidate(index, self.crystals[index].content_id)

    def candidates(self) -> list[Candidate]:
        """Return all candidates, [n]; their content hashes are worked out together."""
        return [self._candidate(i, content_id) for i, content_id in enumerate(self.crystals.content_ids)]

    def _candidate(self, index: int, content_id: str) -> Candidate:
        return Candidate(
            content_id,
            self.crystals[index],
            self.parent_ids[index],
            self.generators[index],
            self.changes[index],
            self.round,
            float(self.probabilities[index]),
            int(self.multiplicities[index]),
        )

    def take(self, which: ArrayLike) -> CandidatePool:
        """Return the candidates at integer indices, or where a boolean mask [n] is true."""
        index = as_indices(which)
        return CandidatePool(
            self.crystals.take(index),
            tuple(self.parent_ids[i] for i in index),
            tuple(self.changes[i] for i in index),
            tuple(self.generators[i] for i in index),
            self.probabilities[index],
            self.multiplicities[index],
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
            np.concatenate([np.empty(0, np.int64), *(p.multiplicities for p in pools)]),
            round,
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """The ensemble's prediction for one candidate.

    Attributes:
        spread_ev_per_atom: interquartile range over the members.
        e_above_hull_ev_per_atom: signed distance to the hull of all phases so far; negative is below it.
        p_stable: probability, 0..1, that verification will find it on the hull.
        expected_improvement_ev_per_atom: distance by which it is expected to lower the hull; None in older ones.
    """

    candidate_id: str
    e_form_ev_per_atom: float
    spread_ev_per_atom: float
    e_above_hull_ev_per_atom: float
    p_stable: float
    model_id: str
    expected_improvement_ev_per_atom: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The outcome of relaxing one candidate at one level. With a `failure` the energy is NaN.

    Attributes:
        crystal: the relaxed crystal, or the last one known where it failed.
        energy_ev: energy of the whole cell.
        fingerprint: reduced formula and Wyckoff-labelled prototype of the relaxed crystal; "" where not worked out.
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
    fingerprint: str = ""

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def energy_ev_per_atom(self) -> float:
        return self.energy_ev / len(self.crystal)

    @property
    def note(self) -> str:
        """Formula of the relaxed crystal, or why there is none: what progress shows."""
        return str(self.failure) if self.failure else self.crystal.reduced_formula


@dataclass(frozen=True, slots=True)
class Credibility:
    """Whether nature would make a crystal as it was calculated (Cheetham & Seshadri 2024); stability apart.

    Attributes:
        ordering_suspect: it looks like an artificial ordering of a solid solution.
        flags: further doubts, in a few words each: "pseudosymmetry: Pnma is Pm-3m at 0.3 Å",
            "O2 dimer at 1.21 Å".
        analogue: id of the nearest reference or verified crystal of the same prototype, None where there is none.
        new_prototype: no reference and no crystal verified before has its prototype.
    """

    ordering_suspect: bool
    flags: tuple[str, ...]
    analogue: str | None
    new_prototype: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a verified crystal stands against one hull.

    Attributes:
        e_above_hull_ev_per_atom: >= 0, the crystal itself being part of the hull.
        decomposition_ev_per_atom: energy relative to all *other* phases; negative pushes the hull down.
        products: phases it would decompose into, as (entry id, formula, fraction of atoms).
        hull_id: id of its chemical system's hull: hash of level, ids and energies of the entries that it rests on.
        novel: the same as no reference and as no crystal that was verified before.
        nearest_known: id of the crystal it equals, or, if novel, of the nearest in energy of its formula, if any;
            a reference or a crystal that was verified before.
        prototype: its Wyckoff-labelled prototype without elements, e.g. "AB_cF8_225_a_b" ("" = none found).
        novelty: what is new about it beside the references; None for a reported compound, and in verdicts that were
            issued before kinds were told.
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
    prototype: str
    credibility: Credibility
    novelty: NoveltyKind | None = None

    @property
    def ordering_suspect(self) -> bool:
        return self.credibility.ordering_suspect

    @property
    def stable(self) -> bool:
        return self.e_above_hull_ev_per_atom <= STABLE_EV_PER_ATOM


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

    def take(self, which: NDArray[np.bool_]) -> TrainingSet:
        """Return the crystals where a mask [n] is true."""
        return TrainingSet(self.crystals.take(which), self.e_form_ev_per_atom[which])


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One trained ensemble: its directory, the sizes of its training set and hold-out, its error on the hold-out."""

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
        control: number of the verified that were drawn at random; the others were chosen.
        hit_rate: share of the chosen and verified that are stable *and* novel.
        control_hit_rate: the same for the random control drawn from the same gated pool.
        daf: discovery acceleration factor, hit_rate / control_hit_rate.
        mae_ev_per_atom: |predicted - verified| formation energy of crystals the network had not seen.
        calibration_error: expected calibration error of p_stable over the verified.
        new_prototypes: number of the hits' prototypes that no reference and no crystal of an earlier round has.
        by_generator: counts of each generator: kept candidates, chosen, hits.
        skipped: parents and compositions that the generators left out, by generator and cause.
        expected_hit_rate: mean P(stable) of those chosen, before they were verified.
        kept: candidates that passed the gate and were new; None where not recorded.
        confirmed: by higher level, how many crystals are on the hull there so far, and how many were judged there.
        too_deep: number of hits so far below all other phases that a reference is probably missing.
        by_novelty: counts of each `NoveltyKind`: novel, hits; empty where not recorded.
        coverage: (reported, hypothetical) reference compounds within each chemical system of the campaign's space.
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
    new_prototypes: int = 0
    by_generator: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    expected_hit_rate: float | None = None
    kept: int | None = None
    confirmed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    too_deep: int = 0
    by_novelty: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    coverage: Mapping[str, tuple[int, int]] = field(default_factory=dict)
