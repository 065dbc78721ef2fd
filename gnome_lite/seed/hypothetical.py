"""Hypothetical compounds of the whole periodic table: what the generators make of reported ones, a few of each system.

A network that judges candidates of any elements must have seen what fails there, and a hull what competes. Reported
compounds and structure types are the parents; every chemical system gets its first turn before any its second, the
likely systems first. Any beginning of the plan covers the table evenly: it may be relaxed as far as time allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from gnome_lite.core.origins import is_reported
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.generate.sift import Tally, sift
from gnome_lite.pipeline import Progress
from gnome_lite.seed.plan import SeedParts, Turns, by_turns, each_content_once

MOST = {"substitution": 60_000, "intermetallic": 30_000, "prototypes": 30_000, "partial": 10_000, "random": 3_000}
SHARES = {"substitution": 4.0, "prototypes": 3.0, "intermetallic": 3.0, "partial": 1.0, "random": 0.5}
QUOTAS = {2: 4.0, 3: 0.5, 4: 0.2}
"""Of each kind of system: each binary one has four turns while half the ternary ones have their first."""
AT_ONCE = 500
"""Relaxed before any of the next ones, which keeps the beginning of a plan even."""
CHOOSE_FROM = 30
"""Candidates of a generator for each compound of a plan."""
LEAST_LIKELY_ALLOY = 1e-3
"""Threshold of intermetallic substitution: of all elements, those less likely are too many to hold."""


@dataclass(frozen=True, slots=True)
class HypotheticalPlan:
    """Size of the plan.

    Attributes:
        compounds: how many to relax.
        max_atoms: largest cell.
        seed: of all random numbers.
        most: candidates of each generator to choose from, at most; a small plan chooses from fewer.
    """

    compounds: int = 21_000
    max_atoms: int = 10
    seed: int = 0
    most: Mapping[str, int] = field(default_factory=lambda: MOST)


def plan_hypothetical(
    plan: HypotheticalPlan, references: PhaseSet, parts: SeedParts, progress: Progress
) -> list[Candidate]:
    """Return what to relax, in order.

    Args:
        plan: its size.
        references: those reported are the parents; a candidate that is one of them by content is left out.
        parts: generators and gates over the elements of the reported compounds.
        progress: told of each generator.
    """
    small = np.flatnonzero(references.crystals.n_atoms <= plan.max_atoms).tolist()
    parents = references.take([i for i in small if is_reported(references.sources[i])])
    known = {crystal.content_id for crystal in references.crystals}
    pools = []
    for k, name in enumerate(plan.most):
        progress("plan", k, len(plan.most), name)
        most = min(plan.most[name], CHOOSE_FROM * plan.compounds)
        pools.append(_candidates(name, most, parents, parts, known, [plan.seed, k]))
    pool = CandidatePool.concatenate(pools, 0)
    turns = Turns(SHARES, QUOTAS, (plan.seed, len(MOST)), likely_systems=True)
    chosen = islice(by_turns(pool, turns, parts.novelty, set(references.fingerprints)), plan.compounds)
    return [pool.candidate(i) for i in chosen]


def _candidates(
    name: str, most: int, parents: PhaseSet, parts: SeedParts, seen: set[str], seed: Sequence[int]
) -> CandidatePool:
    stream = parts.generators[name].generate(parents.crystals, list(parents.ids), 0, np.random.default_rng(seed))
    parts_kept = [part.kept for part in sift(stream, parts.gates[name], each_content_once(seen), Tally(), most)]
    return CandidatePool.concatenate(parts_kept, 0)
