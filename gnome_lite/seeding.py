"""Making the bundled seed: elements, prototypes as found in nature, and compounds by ionic substitution.

Everything is relaxed and labelled by one verifier, so that all energies are of one level. Each outcome
goes to a ledger (one JSON line, flushed to disk) before the next is asked for: a killed build goes on
where it stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnome_lite.crystals import Crystal, CrystalBatch
from gnome_lite.ledger import relax_all as relax_all
from gnome_lite.pipeline import Gate, Generator, Novelty, Progress, Verifier
from gnome_lite.records import Candidate, CandidatePool, Verification
from gnome_lite.references import ReferenceEntry, ReferenceSet, formation_energies

LICENCE = "CC-BY-4.0"
E_FORM_MAX_EV_PER_ATOM = 2.0
"""Compounds further above their elements than this are artefacts of a bad start, not phases."""


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """How large the seed becomes.

    Attributes:
        compounds: substituted compounds to relax.
        max_atoms: largest cell of a prototype or compound.
        generations: how often the substituted compounds become parents themselves: few of nature's
            prototypes are one likely substitution away from the campaign's space, most are two or three.
        polymorphs_binary: structures tried of each binary formula; likewise of all other formulas.
        seed: for the order in which compounds of equal rank are taken.
    """

    compounds: int = 2600
    max_atoms: int = 14
    generations: int = 3
    polymorphs_binary: int = 6
    polymorphs: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SeedParts:
    """Everything a seed is made with, assembled once.

    Attributes:
        elements: (label, starting crystal) of pure elements, several an element.
        prototypes: (label, crystal) of known structure types with their real compositions.
        generator: makes compounds from the prototypes.
        gate: refuses compounds before any energy is spent.
        novelty: finds duplicates.
        verifier: relaxes.
    """

    elements: Sequence[tuple[str, Crystal]]
    prototypes: Sequence[tuple[str, Crystal]]
    generator: Generator
    gate: Gate
    novelty: Novelty
    verifier: Verifier


def plan_candidates(plan: SeedPlan, parts: SeedParts) -> list[Candidate]:
    """What to relax: all elements, small prototypes, and the best-spread choice of substituted compounds."""
    small = [(label, crystal) for label, crystal in parts.prototypes if len(crystal) <= plan.max_atoms]
    known = [_candidate(c, label, "elements") for label, c in parts.elements]
    known += [_candidate(c, label, "prototypes") for label, c in small]
    pool = _substituted(plan, small, parts)
    chosen = _spread(pool, plan, parts.novelty)
    return list({c.id: c for c in known + [pool.candidate(i) for i in chosen]}.values())


def _substituted(plan: SeedPlan, prototypes: Sequence[tuple[str, Crystal]], parts: SeedParts) -> CandidatePool:
    """Compounds of all generations that pass the gate, each content once."""
    first_labels = [label for label, _ in prototypes]
    first = CrystalBatch.from_crystals(c for _, c in prototypes)
    parents, labels = first, first_labels
    pool = CandidatePool.concatenate([], 0)
    for generation in range(plan.generations):
        stream = parts.generator.generate(parents, labels, 0, np.random.default_rng([plan.seed, generation]))
        passed = [chunk.take([not cause for cause in parts.gate.causes(chunk.crystals)]) for chunk in stream]
        everything = CandidatePool.concatenate([pool, *passed], 0)
        index = {everything.crystals[i].content_id: i for i in reversed(range(len(everything)))}
        pool = everything.take(sorted(index.values()))
        parents = CrystalBatch.concatenate([first, pool.crystals])
        labels = first_labels + list(pool.parent_ids)
    return pool


def _spread(pool: CandidatePool, plan: SeedPlan, novelty: Novelty) -> list[int]:
    """All binaries first, then the rest; of each formula the likeliest structures, small cells first."""
    formulas = pool.crystals.reduced_formulas()
    n_kinds = (pool.crystals.counts > 0).sum(axis=1)
    by_formula: dict[str, list[int]] = defaultdict(list)
    for i in np.lexsort((-pool.probabilities, pool.crystals.n_atoms)):
        by_formula[formulas[i]].append(int(i))
    order = list(by_formula)
    np.random.default_rng(plan.seed).shuffle(order)
    order.sort(key=lambda f: n_kinds[by_formula[f][0]] > 2)
    chosen: list[int] = []
    seen: set[str] = set()
    for formula in order:
        limit = plan.polymorphs_binary if n_kinds[by_formula[formula][0]] <= 2 else plan.polymorphs
        members = by_formula[formula][: 4 * limit]
        taken = 0
        for i, key in zip(members, novelty.fingerprints(pool.crystals.take(members)), strict=True):
            if key not in seen and taken < limit:
                seen.add(key)
                chosen.append(i)
                taken += 1
        if len(chosen) >= plan.compounds:
            break
    return chosen[: plan.compounds]


def collect(
    candidates: Sequence[Candidate], outcomes: dict[str, Verification], novelty: Novelty, progress: Progress
) -> tuple[ReferenceSet, list[ReferenceEntry]]:
    """Drop failures, duplicates and artefacts.

    Returns:
        What is left, as the reference set; and the same entries with their *unrelaxed* crystals, whose
        `source` tells the parent and the change.
    """
    good = [(c, outcomes[c.id]) for c in candidates if outcomes[c.id].ok]
    elemental: dict[str, float] = {}
    for _, v in good:
        if np.ptp(v.crystal.numbers) == 0:
            name = v.crystal.chemical_system
            elemental[name] = min(elemental.get(name, np.inf), v.energy_ev_per_atom)
    good = [(c, v) for c, v in good if set(v.crystal.chemical_system.split("-")) <= elemental.keys()]
    relaxed = CrystalBatch.from_crystals(v.crystal for _, v in good)
    e_form = formation_energies(relaxed.counts, [v.energy_ev for _, v in good], elemental)
    keys = novelty.fingerprints(relaxed)
    index = novelty.index()
    entries: list[ReferenceEntry] = []
    inputs: list[ReferenceEntry] = []
    for i in np.argsort(e_form, kind="stable"):  # the lower of two equals is kept
        candidate, v = good[i]
        progress("collect", len(entries), len(good), v.crystal.reduced_formula)
        if e_form[i] > E_FORM_MAX_EV_PER_ATOM or index.find(v.crystal) is not None:
            continue
        index.add(candidate.id, v.crystal)
        entry_id = f"seed-{v.crystal.content_id.removeprefix('gl-')}"
        source = f"gnome_lite seed, {candidate.generator}"
        entry = ReferenceEntry(entry_id, v.crystal, v.energy_ev, v.level, source, LICENCE, keys[i])
        entries.append(entry)
        origin = f"{source}: {candidate.parent_id} {candidate.change}".strip()
        inputs.append(replace(entry, crystal=candidate.crystal, source=origin, fingerprint=""))
    return ReferenceSet.make(entries), inputs


def summary(candidates: Sequence[Candidate], outcomes: dict[str, Verification]) -> dict[str, Any]:
    """Counts for the seed's README: tried and failed by kind and cause."""
    tried = Counter(c.generator for c in candidates)
    failed = Counter(str(outcomes[c.id].failure) for c in candidates if not outcomes[c.id].ok)
    seconds = sum(v.seconds for v in outcomes.values())
    return {"tried": dict(tried), "failed": dict(failed), "seconds": round(seconds, 1)}


def _candidate(crystal: Crystal, label: str, kind: str) -> Candidate:
    return Candidate(crystal.content_id, crystal, label, kind, "", 0)
