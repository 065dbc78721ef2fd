"""The context of a campaign at its level: all phases, their hull, and indices that find crystals again.

Built once and grown: each step reads from the store only what was verified since the last one, by any campaign. What
the store holds is paid for once, in a process's first round.
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from gnome_lite.campaign.engine import Direct
from gnome_lite.campaign.stages import Stages
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.novelty_kinds import NoveltyKind, novelty_kind
from gnome_lite.core.origins import Origin, origins
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Credibility, Verification
from gnome_lite.core.verified_batch import VerifiedBatch
from gnome_lite.pipeline import CrystalIndex, Engine, Hull, Novelty, PrototypeDatabase, Verifier, in_shards

PARENTS_AT_MOST = 20_000
"""So many are planned in seconds; a store of many campaigns holds more."""

OTHERS_POLL_S = 0.5
"""Time between two looks at what another campaign relaxes."""


class Seen(NamedTuple):
    """The part of a verdict that rests on the relaxed crystal alone; fields as in `Verdict`."""

    novel: bool
    nearest_known: str | None
    prototype: str
    credibility: Credibility
    novelty: NoveltyKind | None


@dataclass(slots=True, eq=False)
class Context:
    """A campaign under way.

    Attributes:
        stages: its parts.
        engine: what runs its steps.
    """

    stages: Stages
    engine: Engine = field(default_factory=Direct)
    _phases: PhaseSet | None = None
    _hull: Hull | None = None
    _in_hull: int = 0
    _indexed: _Indexed | None = None

    @property
    def level(self) -> str:
        """Level of theory of the campaign's own verifier."""
        return self.stages.verifier.level

    def relax(self, verifier: Verifier, candidates: Sequence[Candidate], round: int) -> Iterator[Verification]:
        """Relax candidates, commit the outcome of each as it ends, and yield it.

        Each is relaxed once, however many campaigns of the store want it at a time: what another one relaxes is waited
        for, and relaxed here if that one dies. The engine spreads the work in shards.
        """
        store, pending = self.stages.store, {c.id: c for c in candidates}
        while pending:
            with store.claim(verifier.level, pending) as mine:
                # Read under the claim: who held it before us has committed what it relaxed.
                for outcome in store.verifications(verifier.level, ids=pending):
                    del pending[outcome.candidate_id]
                    yield outcome
                work = [pending[i] for i in mine if i in pending]
                for outcome in self.engine.map(verifier.verify, in_shards(self.engine, work)):
                    outcome = self._with_fingerprint(outcome)
                    store.add_verification(self.stages.config.name, round, outcome)
                    del pending[outcome.candidate_id]
                    yield outcome
            if pending:
                self.stages.progress("verify", 0, 0, f"waiting for {len(pending)} that another campaign relaxes")
                time.sleep(OTHERS_POLL_S)

    def _with_fingerprint(self, outcome: Verification) -> Verification:
        if not outcome.ok:
            return outcome
        (fingerprint,) = self.stages.novelty.fingerprints(CrystalBatch.from_crystals([outcome.crystal]))
        return replace(outcome, fingerprint=fingerprint)

    def phases(self) -> PhaseSet:
        """Return the reference phases and everything verified at this level by now, in the order it was read."""
        if self._phases is None:
            self._phases = self.stages.source.load()
        known = self._phases
        new = [i for i in self.stages.store.verified_ids(self.level) if i not in known]
        if new:
            found = self.stages.store.verified_batch(self.level, new)
            self._phases = known.grow(found.ids, found.crystals, found.energies_ev, self._fingerprints(found))
        return self._phases

    def hull(self) -> Hull:
        """Return the hull of `phases()`."""
        phases = self.phases()
        if self._hull is None:
            self._hull = self.stages.build_hull(phases)
            self._in_hull = len(phases)
        for i in range(self._in_hull, len(phases)):
            self._hull.add(phases.ids[i], phases.counts[i], float(phases.e_form_ev_per_atom[i]))
        self._in_hull = len(phases)
        return self._hull

    def parents(self, round: int) -> tuple[CrystalBatch, list[str]]:
        """Return parents of candidates with their ids: small phases near the hull, and further crystals without energy.

        In the order of references, verified crystals by id, further crystals: whatever order these were read in. Of
        more phases than PARENTS_AT_MOST each round draws its own.
        """
        stages, generate = self.stages, self.stages.config.generate
        phases = self.phases()
        distances = self.hull().distances(phases.counts, phases.e_form_ev_per_atom)
        near = phases.near_hull(distances, generate.parents_e_above_hull_max, generate.max_atoms)
        found = list(range(near.n_references)) + sorted(range(near.n_references, len(near)), key=near.ids.__getitem__)
        if len(found) > PARENTS_AT_MOST:
            rng = np.random.default_rng((stages.config.seed, round, zlib.crc32(b"parents")))
            found = [found[i] for i in np.sort(rng.choice(len(found), PARENTS_AT_MOST, replace=False))]
        further = stages.further_parents
        small = np.flatnonzero(further.crystals.n_atoms <= generate.max_atoms)
        return (
            CrystalBatch.concatenate([near.crystals.take(np.array(found, np.int64)), further.crystals.take(small)]),
            [near.ids[i] for i in found] + [further.ids[i] for i in small],
        )

    def index(self) -> CrystalIndex:
        """Return an index of all phases, to which more can be added without changing this context."""
        return self._indexed_but(()).index.fork()

    def novelty_before(self, ids: Collection[str]) -> RoundNovelty:
        """Return the novelty of the crystals `ids` of a round, judged beside all other phases."""
        return RoundNovelty(self.stages.novelty, self._indexed_but(ids))

    def _indexed_but(self, ids: Collection[str]) -> _Indexed:
        if self._indexed is None:
            self._indexed = _Indexed(self.stages.novelty)
        self._indexed.grow(self.phases(), set(ids))
        return self._indexed

    def _fingerprints(self, found: VerifiedBatch) -> tuple[str, ...]:
        """Fingerprints of verified crystals; those that an older store does not hold are worked out and stored."""
        missing = [i for i, fingerprint in enumerate(found.fingerprints) if not fingerprint]
        if not missing:
            return found.fingerprints
        made = dict(zip(missing, self.stages.novelty.fingerprints(found.crystals.take(missing)), strict=True))
        self.stages.store.set_fingerprints({found.ids[i]: made[i] for i in missing}, self.level)
        return tuple(made.get(i, fingerprint) for i, fingerprint in enumerate(found.fingerprints))


class _Indexed:
    """Indices of phases: by sameness, by prototype, and by formula."""

    def __init__(self, novelty: Novelty) -> None:
        self._novelty = novelty
        self._done: set[str] = set()
        self.index: CrystalIndex = novelty.index()
        self.prototypes: PrototypeDatabase = novelty.prototype_database()
        self.by_formula: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self.references: dict[str, Origin] = {}

    def grow(self, phases: PhaseSet, but: set[str]) -> None:
        """Add the phases that are not indexed yet, all but some."""
        if len(self._done) == len(phases):
            return
        new = [i for i, name in enumerate(phases.ids) if name not in self._done and name not in but]
        crystals, fingerprints = phases.crystals, list(phases.fingerprints)
        missing = [i for i in new if not fingerprints[i]]
        for i, found in zip(missing, self._novelty.fingerprints(crystals.take(missing)), strict=True):
            fingerprints[i] = found
        names, some = [phases.ids[i] for i in new], crystals.take(np.array(new, np.int64))
        self.index.extend(names, some)
        self.prototypes.extend(names, some, [fingerprints[i] for i in new])
        per_atom = phases.energies_ev / phases.crystals.n_atoms
        for i, name in zip(new, names, strict=True):
            self.by_formula[phases.formulas[i]].append((name, float(per_atom[i])))
        of_phase = origins(phases)
        self.references.update(
            (name, of_phase[i]) for i, name in zip(new, names, strict=True) if i < phases.n_references
        )
        self._done.update(names)


class RoundNovelty:
    """The novelty of the verified crystals of one round, judged one after another."""

    def __init__(self, novelty: Novelty, before: _Indexed) -> None:
        self._novelty, self._before = novelty, before
        self._round = novelty.index()
        self._of_round: dict[str, list[tuple[str, float]]] = defaultdict(list)

    def judge(self, v: Verification, fingerprint: str) -> Seen:
        """Return whether a relaxed crystal is novel and what is new about it, with its prototype and credibility.

        The crystal counts from then on; its prototype counts as new until the round is over. Of several phases that
        it equals, a reference comes first, then the verified one of the first id, then those of the round, so that
        the answer does not depend on the order in which phases were read.

        Args:
            v: verification of the crystal.
            fingerprint: fingerprint of the relaxed crystal.
        """
        references = self._before.references
        matches = [m for m in self._before.index.matches(v.crystal) if m != v.candidate_id]
        first = next((m for m in matches if m in references), min(matches, default=None))
        equal = first or self._round.find(v.crystal)
        formula = v.crystal.reduced_formula
        before = [k for k in self._before.by_formula.get(formula, ()) if k[0] != v.candidate_id]
        all_of_formula = sorted(before, key=lambda k: (k[0] not in references, k[0])) + self._of_round[formula]
        closest = min(all_of_formula, key=lambda k: abs(k[1] - v.energy_ev_per_atom), default=(None, 0.0))[0]
        self._round.add(v.candidate_id, v.crystal)
        self._of_round[formula].append((v.candidate_id, v.energy_ev_per_atom))
        credibility = self._before.prototypes.credibility(v.crystal, fingerprint)
        kind = novelty_kind(
            (references[m] for m in matches if m in references),
            (references[name] for name, _ in before if name in references),
        )
        return Seen(equal is None, equal or closest, self._novelty.prototype(fingerprint), credibility, kind)
