"""Rediscovery: which crystals that are stable by DFT a campaign finds when it is not told of them.

Hidden are the compounds of three and more elements on the DFT hull of one chemical system. A hidden crystal is found
when a verified one is the same by structure (the groups of pymatgen's StructureMatcher, volumes scaled), whatever its
energy; whether the campaign also called it stable is counted apart. Energies of DFT judge and never enter a hull.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import STABLE_EV_PER_ATOM, Candidate, Phase, Prediction, Verdict, Verification
from gnome_lite.pipeline import BuildHull, Novelty
from gnome_lite.store.database import SqlStore

MIN_ELEMENTS = 3
"""Least elements of a hidden compound; those of fewer are given: a hull of ternaries needs its binaries."""
GIVEN_EV_PER_ATOM = 0.1
"""Furthest distance to the DFT hull of elements and binaries that are given."""
CLAIM_EV_PER_ATOM = 0.05
"""Furthest distance to the DFT hull at which a claim is right."""

FOUND = "found"
NO_PARENT = "no parent"
NOT_PICKED = "made, not picked"
RELAXED_AWAY = "relaxed into another"


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """A crystal that a campaign may find again.

    Attributes:
        parents: ids of the known crystals of its structure type, whatever their elements.
    """

    id: str
    crystal: Crystal
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One verification of a campaign; `rank` counts them in the order in which they were chosen, from 1."""

    rank: int
    round: int
    candidate: Candidate
    verification: Verification
    prediction: Prediction | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Return:
    """The outcome of one hidden crystal in one campaign.

    Attributes:
        outcome: FOUND, or why not.
        rank, round, candidate_id, generator, change: of the first trial that is the same crystal, or, for one that
            relaxed into another, of the first that began as it.
        predicted_ev_per_atom: distance to the hull predicted for that trial.
        e_above_hull_ev_per_atom: the lowest of all trials that are the same crystal, against the last hull.
        stable: whether the campaign calls one of them stable.
    """

    id: str
    formula: str
    n_atoms: int
    parents: int
    outcome: str
    rank: int | None = None
    round: int | None = None
    candidate_id: str | None = None
    generator: str | None = None
    change: str | None = None
    predicted_ev_per_atom: float | None = None
    e_above_hull_ev_per_atom: float | None = None
    stable: bool = False

    @property
    def found(self) -> bool:
        return self.outcome == FOUND


@dataclass(frozen=True, slots=True)
class Claims:
    """Counts of the crystals that a campaign calls stable and new.

    Attributes:
        n: all of them.
        known_to_dft: those that equal a DFT entry.
        near_dft_hull: those that equal one within CLAIM_EV_PER_ATOM of the DFT hull.
    """

    n: int
    known_to_dft: int
    near_dft_hull: int


def concealed(crystals: CrystalBatch, elements: Sequence[str]) -> NDArray[np.bool_]:
    """Return which crystals a campaign must not be told of, [n]: MIN_ELEMENTS elements or more, all of the system."""
    present = crystals.counts > 0
    inside = np.zeros(present.shape[1], dtype=bool)
    inside[[atomic_number(e) for e in elements]] = True
    return np.asarray((present.sum(axis=1) >= MIN_ELEMENTS) & ~present[:, ~inside].any(axis=1))


def dft_distances(dft: PhaseSet, build_hull: BuildHull) -> NDArray[np.float64]:
    """Return the distance of each entry to the hull of all of them, eV/atom, [n]."""
    return np.array([v.e_above_hull_ev_per_atom for v in build_hull(dft).verdicts(dft.ids)])


def split_entries(dft: PhaseSet, distances: NDArray[np.float64], novelty: Novelty) -> tuple[list[Phase], list[Phase]]:
    """Return the entries to hide, and those of fewer elements to give, each structure once, at its lowest energy."""

    def distinct(which: NDArray[np.bool_]) -> list[Phase]:
        rows = np.flatnonzero(which)
        rows = rows[np.argsort(distances[rows], kind="stable")]
        equal = novelty.index().admit([dft.ids[i] for i in rows], dft.crystals.take(rows))
        return [dft[int(i)] for i, same in zip(rows, equal, strict=True) if same is None]

    large = np.asarray((dft.counts > 0).sum(axis=1) >= MIN_ELEMENTS)
    return distinct(large & (distances <= STABLE_EV_PER_ATOM)), distinct(~large & (distances <= GIVEN_EV_PER_ATOM))


class StructureTypes:
    """Known crystals by structure type, as pymatgen's `fit_anonymous` sees it."""

    def __init__(self, ids: Sequence[str], crystals: CrystalBatch) -> None:
        self._ids, self._crystals = ids, crystals
        self._by_amounts: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, counts in enumerate(crystals.counts):
            self._by_amounts[_amounts(counts)].append(i)

    def of(self, crystal: Crystal) -> tuple[str, ...]:
        """Return ids of the crystals that are the same as this one when elements are exchanged one for one."""
        from pymatgen.analysis.structure_matcher import StructureMatcher

        matcher = StructureMatcher()
        wanted = crystal.to_pymatgen().get_primitive_structure()
        found = []
        for i in self._by_amounts[_amounts(crystal.counts)]:
            if len(self._crystals[i]) % len(wanted):
                continue  # no whole number of primitive cells
            structure = self._crystals[i].to_pymatgen().get_primitive_structure()
            if len(structure) == len(wanted) and matcher.fit_anonymous(wanted, structure):
                found.append(self._ids[i])
        return tuple(found)


def _amounts(counts: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the amounts in the reduced formula, ascending: (1, 1, 1, 4) of LiFePO4."""
    amounts = np.sort(counts[counts > 0])
    return tuple((amounts // np.gcd.reduce(amounts)).tolist())


def trials(store: SqlStore, campaign: str, level: str) -> list[Trial]:
    """Return everything that a campaign has verified, in the order of its choice, with the verdicts that stand."""
    done = {v.candidate_id: v for v in store.verifications(level, campaign)}
    verdicts = store.verdicts(campaign)
    found: list[Trial] = []
    for report in store.reports(campaign):
        predicted = {c.id: p for c, p in store.predictions(campaign, report.round)}
        for candidate, _ in store.selected(campaign, report.round):
            if candidate.id in done:
                verification, verdict = done[candidate.id], verdicts.get(candidate.id)
                prediction = predicted.get(candidate.id)
                found.append(Trial(len(found) + 1, report.round, candidate, verification, prediction, verdict))
    return found


def returns(
    hidden: Sequence[Hidden],
    tried: Sequence[Trial],
    made: Sequence[Candidate],
    ranks: Mapping[str, tuple[int, int]],
    novelty: Novelty,
    why_not_made: Callable[[Hidden], str],
) -> list[Return]:
    """Return what became of each hidden crystal.

    Args:
        hidden: crystals that the campaign was not told of.
        tried: its verifications.
        made: all its candidates that have the formula of a hidden crystal, or more.
        ranks: (rank, of how many) in the last prediction of those never picked, by candidate id.
        novelty: tells which crystals are the same.
        why_not_made: asked of one that has a parent and was never a candidate.
    """
    index = novelty.index()
    index.admit([h.id for h in hidden], CrystalBatch.from_crystals(h.crystal for h in hidden))
    verified: dict[str | None, list[Trial]] = defaultdict(list)
    begun: dict[str | None, list[Candidate]] = defaultdict(list)
    for t in tried:
        if t.verification.ok:
            verified[index.find(t.verification.crystal)].append(t)
    for candidate in made:
        begun[index.find(candidate.crystal)].append(candidate)
    trial_of = {t.candidate.id: t for t in tried}
    found = []
    for h in hidden:
        astray = [trial_of[c.id] for c in begun[h.id] if c.id in trial_of]
        waiting = [ranks[c.id] for c in begun[h.id] if c.id in ranks]
        if verified[h.id]:
            found.append(_return(h, FOUND, verified[h.id][0], verified[h.id]))
        elif astray:
            first = min(astray, key=lambda t: t.rank)
            failed = first.verification.failure
            found.append(_return(h, RELAXED_AWAY if failed is None else f"failed: {failed}", first))
        elif begun[h.id]:
            rank = " (rank {} of {} in its last prediction)".format(*min(waiting)) if waiting else ""
            found.append(_return(h, NOT_PICKED + rank))
        else:
            found.append(_return(h, why_not_made(h) if h.parents else NO_PARENT))
    return found


def _return(h: Hidden, outcome: str, trial: Trial | None = None, same: Sequence[Trial] = ()) -> Return:
    out = Return(h.id, h.crystal.reduced_formula, len(h.crystal), len(h.parents), outcome)
    if trial is None:
        return out
    judged = [t.verdict for t in same if t.verdict is not None]
    return replace(
        out,
        rank=trial.rank,
        round=trial.round,
        candidate_id=trial.candidate.id,
        generator=trial.candidate.generator,
        change=trial.candidate.change,
        predicted_ev_per_atom=None if trial.prediction is None else trial.prediction.e_above_hull_ev_per_atom,
        e_above_hull_ev_per_atom=min((v.e_above_hull_ev_per_atom for v in judged), default=None),
        stable=any(v.stable for v in judged),
    )


def last_ranks(store: SqlStore, campaign: str) -> dict[str, tuple[int, int]]:
    """Return (rank, of how many) of each candidate by P(stable) in the last round that predicted it."""
    found: dict[str, tuple[int, int]] = {}
    for report in store.reports(campaign):
        predicted = [p for _, p in store.predictions(campaign, report.round)]
        predicted.sort(key=lambda p: (-p.p_stable, p.e_above_hull_ev_per_atom))
        found |= {p.candidate_id: (rank, len(predicted)) for rank, p in enumerate(predicted, 1)}
    return found


def count_claims(tried: Sequence[Trial], dft: PhaseSet, distances: NDArray[np.float64], novelty: Novelty) -> Claims:
    """Count a campaign's stable and novel crystals, and those that equal a DFT entry, of equal ones the lowest."""
    claimed = [t.verification.crystal for t in tried if t.verdict is not None and t.verdict.stable and t.verdict.novel]
    index = novelty.index()
    order = np.argsort(distances, kind="stable")
    index.admit([dft.ids[i] for i in order], dft.crystals.take(order))
    known = [float(distances[dft.index(i)]) for i in map(index.find, claimed) if i is not None]
    return Claims(len(claimed), len(known), sum(d <= CLAIM_EV_PER_ATOM for d in known))
