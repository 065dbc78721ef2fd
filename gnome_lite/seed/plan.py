"""Plan of the bundled seed: every chemical system of the space gets its share of compounds, by turns.

A hull is as good as its competing phases and a network as good as its worst examples, so the plan asks for breadth:
all generators of a campaign take part, few structures a system, unlikely ones too. The order of the plan is such that
any beginning of it covers the space evenly: a larger seed begins with the smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.generate.sift import Compare, Tally, sift
from gnome_lite.pipeline import Gate, Generator, Novelty

SHARES = {"prototypes": 4.0, "substitution": 3.0, "partial": 2.0, "random": 1.0, "intermetallic": 4.0}
"""Share of each generator in a system's turns."""
FITTING = {"substitution": 20.0, "prototypes": 4.0, "intermetallic": 4.0}
"""The same for `likeliest`, among the generators that know what suits an ion or atom."""
QUOTAS = {2: 16.0, 3: 7.0, 4: 0.4}
"""Turns of a system by its number of elements."""
MOST = {"partial": 60_000, "random": 10_000}
"""Most candidates of generators that have no end."""


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """Size of the seed.

    Attributes:
        compounds: compounds to relax, beside elements and prototypes, drawn at random.
        likeliest: further compounds, those whose structures suit their ions best.
        max_atoms: largest cell of a prototype or compound.
        generations: how often substituted compounds become parents themselves: few of nature's
            prototypes are one likely substitution away from the campaign's space, most are two or three.
        seed: of all random numbers.
    """

    compounds: int = 9400
    likeliest: int = 900
    max_atoms: int = 12
    generations: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Turns:
    """How chemical systems take their turns.

    Attributes:
        shares: of each generator in a system's turns, while it has something for the system.
        quotas: turns of a system by its number of elements; below 1, the share of systems that get one.
        seed: of all random numbers.
        best_first: candidates of a generator come in its own order, what suits best first, else in random order.
        likely_systems: a system's first turn comes by chance or by its likeliest candidate, whichever is earlier.
    """

    shares: Mapping[str, float]
    quotas: Mapping[int, float]
    seed: tuple[int, ...]
    best_first: bool = False
    likely_systems: bool = False


@dataclass(frozen=True, slots=True)
class SeedParts:
    """Parts that the plan is made with.

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


def plan_candidates(plan: SeedPlan, parts: SeedParts) -> list[Candidate]:
    """Return what to relax: elements, small prototypes, and compounds, the first turns of all systems first."""
    small = [(label, crystal) for label, crystal in parts.prototypes if len(crystal) <= plan.max_atoms]
    known = [_candidate(c, label, "elements") for label, c in parts.elements]
    known += [_candidate(c, label, "prototypes") for label, c in small]
    pool = _compounds(plan, small, parts)
    seen: set[str] = set()
    turns = Turns(SHARES, QUOTAS, (plan.seed, plan.generations))
    chosen = [*islice(by_turns(pool, turns, parts.novelty, seen), plan.compounds)]
    fit = np.flatnonzero(np.isin(pool.generators, list(FITTING)))
    best_first = replace(turns, shares=FITTING, best_first=True)
    best = islice(by_turns(pool.take(fit), best_first, parts.novelty, seen), plan.likeliest)
    chosen += [int(fit[i]) for i in best]
    return list({c.id: c for c in known + [pool.candidate(i) for i in chosen]}.values())


def _compounds(plan: SeedPlan, prototypes: Sequence[tuple[str, Crystal]], parts: SeedParts) -> CandidatePool:
    """Return what the generators make of the prototypes and pass their gates, each content once.

    Ions change places for some generations, and what results is a parent for the other generators.
    """
    seen: set[str] = set()
    pools: list[CandidatePool] = []

    def add(name: str, seed: list[int]) -> None:
        stream = parts.generators[name].generate(parents, labels, 0, np.random.default_rng(seed))
        kept = [part.kept for part in sift(stream, parts.gates[name], each_content_once(seen), Tally(), MOST.get(name))]
        pools.append(CandidatePool.concatenate(kept, 0))

    first = CrystalBatch.from_crystals(c for _, c in prototypes)
    parents, labels = first, [label for label, _ in prototypes]
    for generation in range(plan.generations):
        add("substitution", [plan.seed, generation])
        parents = CrystalBatch.concatenate([first, *(pool.crystals for pool in pools)])
        labels = labels[: len(first)] + [id for pool in pools for id in pool.parent_ids]
    for name in sorted(parts.generators.keys() - {"substitution"}):
        add(name, [plan.seed, plan.generations, len(pools)])
    return CandidatePool.concatenate(pools, 0)


def each_content_once(seen: set[str]) -> Compare:
    """Return a comparison by content, which remembers in `seen` what it has met."""

    def compare(pool: CandidatePool) -> list[str | None]:
        same_as: list[str | None] = []
        for id in (crystal.content_id for crystal in pool.crystals):
            same_as.append(id if id in seen else None)
            seen.add(id)
        return same_as

    return compare


def by_turns(pool: CandidatePool, turns: Turns, novelty: Novelty, seen: set[str]) -> Iterator[int]:
    """Yield indices, the first turn of every system before the second of any, without fingerprints `seen` before."""
    rng = np.random.default_rng(turns.seed)
    systems = [tuple(np.flatnonzero(row).tolist()) for row in pool.crystals.counts]
    formulas = pool.crystals.reduced_formulas()
    likely = np.nan_to_num(pool.probabilities, nan=0.0)
    tie = np.arange(len(pool)) / len(pool) if turns.best_first else rng.random(len(pool))
    of_formula = _ranks(list(zip(pool.generators, formulas, strict=True)), np.lexsort((tie, -likely)))
    of_generator = _ranks(list(zip(pool.generators, systems, strict=True)), np.lexsort((tie, of_formula)))
    share = np.array([turns.shares[name] for name in pool.generators])
    of_system = _ranks(systems, np.argsort((of_generator + tie) / share, kind="stable"))
    begin = dict(zip(sorted(set(systems)), rng.random(len(set(systems))), strict=True))
    if turns.likely_systems:
        for s, first in _first_of_likely(systems, likely).items():
            begin[s] = min(begin[s], first)
    due = np.array([(n + begin[s]) / turns.quotas[len(s)] for n, s in zip(of_system, systems, strict=True)])
    order = np.argsort(due, kind="stable")
    for block in np.array_split(order, max(1, len(order) // 1000)):
        for i, key in zip(block.tolist(), novelty.fingerprints(pool.crystals.take(block)), strict=True):
            if key not in seen:
                seen.add(key)
                yield i


def _first_of_likely(systems: Sequence[tuple[int, ...]], likely: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """Return when a system begins by its likeliest candidate: 0 for the best of as many elements, 1 for the worst."""
    best: dict[tuple[int, ...], float] = {}
    for s, p in zip(systems, likely.tolist(), strict=True):
        best[s] = max(best.get(s, 0.0), p)
    begin: dict[tuple[int, ...], float] = {}
    for n in {len(s) for s in best}:
        some = sorted((s for s in best if len(s) == n), key=lambda s: -best[s])
        begin |= {s: k / len(some) for k, s in enumerate(some)}
    return begin


def _ranks(groups: Sequence[object], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each item within its group when all are taken in an order, from 0, [n]."""
    counter: dict[object, int] = defaultdict(int)
    ranks = np.zeros(len(groups), dtype=np.int64)
    for i in order.tolist():
        ranks[i] = counter[groups[i]]
        counter[groups[i]] += 1
    return ranks


def _candidate(crystal: Crystal, label: str, kind: str) -> Candidate:
    return Candidate(crystal.content_id, crystal, label, kind, "", 0)
