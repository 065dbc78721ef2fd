"""Known crystals found again: those of MP-20's validation part, from parents of MPTS-52's that are other compounds.

A target counts as found by a generator if a candidate of its composition is the same crystal by pymatgen's
StructureMatcher (which scales volumes). Its parents are all crystals of the other set, none of its own formula. A
target "has a parent" if one of them has its anonymous Wyckoff-labelled prototype, whatever the elements. What is not
found at GNoME's threshold is looked for with a lower one, too, to tell unlikely from impossible.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.labelled import read
from benchmarks.rows import Row
from benchmarks.sizes import Effort, size
from gnome_lite.config import Generate, Space
from gnome_lite.core.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.core.records import CandidatePool
from gnome_lite.pipeline import Generator

MAX_ATOMS = 20
GENERATE = Generate(max_atoms=MAX_ATOMS)
UNLIKELY = Generate(max_atoms=MAX_ATOMS, threshold=1e-6)
BOTH = "substitution or partial"


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    from gnome_lite.novelty.matcher.pairs import same
    from gnome_lite.novelty.novelty import CrystalNovelty

    targets = read("mp20_val", size("candidates_recovery.targets", effort), MAX_ATOMS).crystals
    parents = read("mpts52_val", max_atoms=MAX_ATOMS).crystals
    novelty = CrystalNovelty()
    prototypes = [novelty.prototype(key) for key in novelty.fingerprints(parents)]
    formulas = parents.reduced_formulas()
    by_prototype, by_ratio, by_elements = defaultdict(set), defaultdict(list), defaultdict(list)
    for i, counts in enumerate(parents.counts):
        by_prototype[prototypes[i]].add(formulas[i])
        by_ratio[_ratio(counts)].append(i)
        by_elements[tuple(np.flatnonzero(counts).tolist())].append(i)
    with_parent: list[bool] = []
    found: Counter[tuple[str, bool]] = Counter()
    target_prototypes = [novelty.prototype(key) for key in novelty.fingerprints(targets)]
    for target, prototype in zip(targets, target_prototypes, strict=True):
        formula = target.reduced_formula
        has_parent = prototype != "" and bool(by_prototype[prototype] - {formula})
        with_parent.append(has_parent)
        near = [i for i in by_ratio[_ratio(target.counts)] if formulas[i] != formula]
        elements = np.flatnonzero(target.counts)
        fewer = [i for z in elements for i in by_elements[tuple(elements[elements != z].tolist())]]
        ways = _ways(target, parents.take(near), parents.take(fewer))
        hits = {way for way, pools in ways if any(same(target, c) for c in _of_formula(pools, formula))}
        if hits & {"substitution", "partial"}:
            hits.add(BOTH)
        for way in hits:
            found[way, has_parent] += 1
    return list(_rows(np.array(with_parent), found))


def _ways(target: Crystal, near: CrystalBatch, fewer: CrystalBatch) -> Iterable[tuple[str, Iterable[CandidatePool]]]:
    """Candidates in the target's elements, by generator, from parents of its ratio or of its elements but one."""
    from gnome_lite.generate.intermetallics import IntermetallicSubstitution
    from gnome_lite.generate.partial import PartialSubstitution
    from gnome_lite.generate.prototype_placement import PrototypePlacement
    from gnome_lite.generate.substitution import IonicSubstitution
    from gnome_lite.sources.aflow import prototypes

    elements = tuple(symbol(z) for z in np.flatnonzero(target.counts))
    space = Space(elements=elements, min_elements=len(elements), max_elements=len(elements), allow_radioactive=True)
    yield "substitution", _stream(IonicSubstitution(space, GENERATE), near)
    yield f"substitution at threshold {UNLIKELY.threshold:g}", _stream(IonicSubstitution(space, UNLIKELY), near)
    yield "intermetallic", _stream(IntermetallicSubstitution(space, GENERATE), near)
    yield (
        f"intermetallic at threshold {UNLIKELY.threshold:g}",
        _stream(IntermetallicSubstitution(space, UNLIKELY), near),
    )
    yield "partial", _stream(PartialSubstitution(space, GENERATE), fewer)
    known = [(p.id, p.crystal) for p in prototypes(MAX_ATOMS)]
    yield "prototypes that pymatgen ships", _stream(PrototypePlacement(space, GENERATE, known), CrystalBatch.empty())


def _stream(generator: Generator, parents: CrystalBatch) -> Iterable[CandidatePool]:
    return generator.generate(parents, [str(i) for i in range(len(parents))], 0, np.random.default_rng(0))


def _of_formula(pools: Iterable[CandidatePool], formula: str) -> Iterable[Crystal]:
    for pool in pools:
        formulas: Sequence[str] = pool.crystals.reduced_formulas()
        yield from (pool.crystals[i] for i in range(len(pool)) if formulas[i] == formula)


def _ratio(counts: np.ndarray) -> tuple[int, ...]:
    amounts = np.sort(counts[counts > 0])
    return tuple((amounts // np.gcd.reduce(amounts)).tolist())


def _rows(with_parent: np.ndarray, found: Counter[tuple[str, bool]]) -> Iterable[Row]:
    n, n_parent = len(with_parent), int(with_parent.sum())
    for way in (BOTH, *sorted({way for way, _ in found} - {BOTH})):
        of_parent, of_all = found[way, True], found[way, True] + found[way, False]
        name = f"known crystals found again by {way}"
        yield Row(f"{name}, of {n_parent} with a parent", "", of_parent / max(n_parent, 1), None, "", None)
        yield Row(f"{name}, of all {n}", "", of_all / n, None, "", None)
