"""Which compounds the bundled seed is made of: every chemical system of the space gets its share, by turns.

A hull is as good as its competing phases and a network as good as its worst examples, so the plan asks for breadth:
all generators of a campaign take part, few structures a system, unlikely ones too. The order of the plan is such that
any beginning of it covers the space evenly: a larger seed begins with the smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.generate.sift import Tally, sift
from gnome_lite.pipeline import Gate, Generator, Novelty

SHARES = {"prototypes": 4.0, "substitution": 3.0, "partial": 2.0, "random": 1.0, "intermetallic": 4.0}
"""Of a system's turns, while a generator has something for it; balance decides between ions and alloys before."""
FITTING = {"substitution": 20.0, "prototypes": 4.0, "intermetallic": 4.0}
"""Shares of those that know what suits: by how often ions change places in nature, else by their sizes."""
QUOTAS = {2: 16.0, 3: 7.0, 4: 0.4}
"""Turns of a system by its number of elements; below 1, the share of systems that get one."""
MOST = {"partial": 60_000, "random": 10_000}
"""Candidates that a generator is asked for at most, where it has no end; random ones relax slowly and rarely well."""


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """How large the seed becomes.

    Attributes:
        compounds: compounds to relax, beside elements and prototypes, whichever chance takes.
        likeliest: and after them compounds whose structures suit their ions best: what nature makes, mostly.
        max_atoms: largest cell of a prototype or compound.
        generations: how often substituted compounds become parents themselves: few of nature's
            prototypes are one likely substitution away from the campaign's space, most are two or three.
        seed: for all chance.
    """

    compounds: int = 9400
    likeliest: int = 900
    max_atoms: int = 12
    generations: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SeedParts:
    """What the plan is made with.

    Attributes:
        elements: (label, starting crystal) of pure elements, several an element.
        prototypes: (label, crystal) of known structure types with their real compositions.
        generators: those of a campaign, by name; "substitution" among them.
        gate: refuses compounds before any energy is spent; by generator, as alloys have no charges to balance.
        novelty: tells structures apart.
    """

    elements: Sequence[tuple[str, Crystal]]
    prototypes: Sequence[tuple[str, Crystal]]
    generators: Mapping[str, Generator]
    gates: Mapping[str, Gate]
    novelty: Novelty


@dataclass(slots=True)
class _Pool:
    """Candidates that pass their gate, each content once."""

    pools: list[CandidatePool] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def add(self, chunks: Iterator[CandidatePool], gate: Gate, most: int | None = None) -> CandidatePool:
        """The new ones of a stream, at most so many."""
        kept = [part.kept for part in sift(chunks, gate, self._compare, Tally(), most)]
        self.pools.append(CandidatePool.concatenate(kept, 0))
        return self.pools[-1]

    def _compare(self, pool: CandidatePool) -> list[str | None]:
        """What has the same content as one before."""
        same_as: list[str | None] = []
        for id in (crystal.content_id for crystal in pool.crystals):
            same_as.append(id if id in self.seen else None)
            self.seen.add(id)
        return same_as


def plan_candidates(plan: SeedPlan, parts: SeedParts) -> list[Candidate]:
    """What to relax: elements, small prototypes, and compounds, the first turns of all systems first."""
    small = [(label, crystal) for label, crystal in parts.prototypes if len(crystal) <= plan.max_atoms]
    known = [_candidate(c, label, "elements") for label, c in parts.elements]
    known += [_candidate(c, label, "prototypes") for label, c in small]
    pool = _compounds(plan, small, parts)
    seen: set[str] = set()
    chosen = [*islice(_by_turns(pool, plan, parts.novelty, seen), plan.compounds)]
    fit = np.flatnonzero(np.isin(pool.generators, list(FITTING)))
    best = islice(_by_turns(pool.take(fit), plan, parts.novelty, seen, best_first=True), plan.likeliest)
    chosen += [int(fit[i]) for i in best]
    return list({c.id: c for c in known + [pool.candidate(i) for i in chosen]}.values())


def _compounds(plan: SeedPlan, prototypes: Sequence[tuple[str, Crystal]], parts: SeedParts) -> CandidatePool:
    """Everything that the generators make of the prototypes: ions change places for some generations, and what they
    become are parents of the rest."""
    found = _Pool()
    labels = [label for label, _ in prototypes]
    parents = first = CrystalBatch.from_crystals(c for _, c in prototypes)
    substituted: list[CandidatePool] = []
    for generation in range(plan.generations):
        rng = np.random.default_rng([plan.seed, generation])
        stream = parts.generators["substitution"].generate(parents, labels, 0, rng)
        substituted.append(found.add(stream, parts.gates["substitution"]))
        parents = CrystalBatch.concatenate([first, *(pool.crystals for pool in substituted)])
        labels = labels[: len(first)] + [id for pool in substituted for id in pool.parent_ids]
    for name in sorted(parts.generators.keys() - {"substitution"}):
        rng = np.random.default_rng([plan.seed, plan.generations, len(found.pools)])
        found.add(parts.generators[name].generate(parents, labels, 0, rng), parts.gates[name], MOST.get(name))
    return CandidatePool.concatenate(found.pools, 0)


def _by_turns(
    pool: CandidatePool, plan: SeedPlan, novelty: Novelty, seen: set[str], best_first: bool = False
) -> Iterator[int]:
    """Indices, the first turn of every system before the second of any; structures alike once.

    Args:
        seen: fingerprints of those taken already; added to.
        best_first: within a generator what suits best, as its stream has it, and not what chance takes.
    """
    rng = np.random.default_rng([plan.seed, plan.generations])
    systems = [tuple(np.flatnonzero(row).tolist()) for row in pool.crystals.counts]
    formulas = pool.crystals.reduced_formulas()
    likely = np.nan_to_num(pool.probabilities, nan=0.0)
    tie = np.arange(len(pool)) / len(pool) if best_first else rng.random(len(pool))
    of_formula = _ranks(list(zip(pool.generators, formulas, strict=True)), np.lexsort((tie, -likely)))
    of_generator = _ranks(list(zip(pool.generators, systems, strict=True)), np.lexsort((tie, of_formula)))
    shares = FITTING if best_first else SHARES
    share = np.array([shares[name] for name in pool.generators])
    of_system = _ranks(systems, np.argsort((of_generator + tie) / share, kind="stable"))
    begin = dict(zip(sorted(set(systems)), rng.random(len(set(systems))), strict=True))
    due = np.array([(n + begin[s]) / QUOTAS[len(s)] for n, s in zip(of_system, systems, strict=True)])
    order = np.argsort(due, kind="stable")
    for block in np.array_split(order, max(1, len(order) // 1000)):
        for i, key in zip(block.tolist(), novelty.fingerprints(pool.crystals.take(block)), strict=True):
            if key not in seen:
                seen.add(key)
                yield i


def _ranks(groups: Sequence[object], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each item within its group when all are taken in an order, from 0, [n]."""
    counter: dict[object, int] = defaultdict(int)
    ranks = np.zeros(len(groups), dtype=np.int64)
    for i in order.tolist():
        ranks[i] = counter[groups[i]]
        counter[groups[i]] += 1
    return ranks


def _candidate(crystal: Crystal, label: str, kind: str) -> Candidate:
    return Candidate(crystal.content_id, crystal, label, kind, "", 0)
