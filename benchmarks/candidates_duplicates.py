"""Duplicates among candidates: the groups of pymatgen's StructureMatcher, and how fast, one core.

Seconds are those of the processor, not of the clock, for both: other work on the machine then hardly shifts the ratio.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from benchmarks.rows import Row, speed_row
from benchmarks.sizes import Effort, size
from gnome_lite.core.crystals import Crystal, CrystalBatch

T = TypeVar("T")

SEED = 0
ELEMENTS = ("Li", "Na", "K", "Mg", "Ca", "Al", "Ti", "Mn", "Fe", "O", "F", "S")
RATTLES_ANG = (0.01, 0.05, 0.1, 0.2, 0.3)
STRAINS = (0.0, 0.01, 0.03, 0.06, 0.1)


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    """Return the rows of some candidates and, in a long run, those of three times as many."""
    rows = rows_of(size("candidates_duplicates.candidates", effort), effort)
    many = size("candidates_duplicates.many", effort)
    return rows + rows_of(many, effort) if many else rows


def rows_of(n: int, effort: Effort) -> list[Row]:
    from pymatgen.core.structure_matcher import StructureMatcher

    from gnome_lite.novelty.matcher.index import groups
    from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE, SITE_TOLERANCE

    warnings.filterwarnings("ignore")
    crystals, mix = candidates(n)
    matcher = StructureMatcher(LENGTH_TOLERANCE, SITE_TOLERANCE, ANGLE_TOLERANCE_DEG)
    structures = [c.to_pymatgen() for c in crystals]
    number = {id(s): i for i, s in enumerate(structures)}
    theirs = np.empty(n, dtype=np.int64)
    groups(crystals.take(np.arange(min(n, 50))))  # imports and tables are not counted for either
    matcher.group_structures(structures[:2])
    their_seconds, found = _processor_seconds(lambda: matcher.group_structures(structures))
    for group in found:
        theirs[[number[id(s)] for s in group]] = number[id(group[0])]
    runs = [_processor_seconds(lambda: groups(crystals)) for _ in range(size("candidates_duplicates.repeats", effort))]
    ours = runs[0][1]
    our_seconds = statistics.median(seconds for seconds, _ in runs)
    differ = int((ours != theirs).sum())
    formulas = len(set(crystals.reduced_formulas()))
    name = f"duplicates among {n} candidates ({mix}; {formulas} formulas, {len(found)} groups)"
    peer = "StructureMatcher.group_structures"
    pairs, apart = _pairs(crystals)
    return [
        speed_row(name, "1/s", n / our_seconds, n / their_seconds, peer, 50),
        Row("the same, candidates put into another group", "", differ, 0.0, peer, None, "= 0", differ == 0),
        Row("the same, pairs compared", "", pairs, None, "", None),
        Row("of these, told apart by their lattices alone", "", apart / max(pairs, 1), None, "", None),
        *_look_ups(crystals),
    ]


def candidates(n: int) -> tuple[CrystalBatch, str]:
    """n candidates in random order, and what they are: half substituted, a quarter polymorphs, a quarter distorted."""
    from gnome_lite.assemble import load_references
    from gnome_lite.config import Generate, Space
    from gnome_lite.generate.substitution import IonicSubstitution

    rng = np.random.default_rng(SEED)
    references = load_references()
    generator = IonicSubstitution(Space(elements=ELEMENTS), Generate())
    pools, ids = [], list(references.ids)
    for pool in generator.generate(references.crystals, ids, 1, rng):
        pools.append(pool.crystals)
        if sum(len(p) for p in pools) >= n // 2:
            break
    substituted = CrystalBatch.concatenate(pools)
    substituted = substituted.take(np.arange(min(n // 2, len(substituted))))
    formulas = np.array(references.crystals.reduced_formulas())
    names, count = np.unique(formulas, return_counts=True)
    rank = {name: i for i, name in enumerate(rng.permutation(names[count > 1]))}
    order = np.argsort([rank.get(name, len(names)) for name in formulas], kind="stable")
    polymorphs = references.crystals.take(order[: min(n // 4, int(count[count > 1].sum()))])
    base = CrystalBatch.concatenate([substituted, polymorphs])
    copies = [distorted(base[int(i)], rng) for i in rng.integers(len(base), size=n - len(base))]
    everything = CrystalBatch.concatenate([base, CrystalBatch.from_crystals(copies)])
    mix = (
        f"{len(substituted)} substituted over {len(ELEMENTS)} elements, {len(polymorphs)} polymorphs of the seed, "
        f"{len(copies)} copies rattled by up to 0.3 Å and strained by up to 10 %"
    )
    return everything.take(rng.permutation(n)), mix


def distorted(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """A copy: rattled, strained, shifted, its sites in another order, every third small one a doubled cell."""
    structure = crystal.to_pymatgen()
    if len(crystal) <= 12 and rng.random() < 1 / 3:
        structure = structure.make_supercell(rng.permutation([1, 1, 2]), in_place=False)
    copy = Crystal.from_pymatgen(structure)
    tensor = rng.normal(size=(3, 3))
    tensor = tensor + tensor.T
    tensor *= rng.choice(STRAINS) / np.abs(np.linalg.eigvalsh(tensor)).max()
    lattice = copy.lattice @ (np.eye(3) + tensor)
    rattle = rng.uniform(-1, 1, (len(copy), 3)) * rng.choice(RATTLES_ANG)
    frac = copy.frac_coords + rattle @ np.linalg.inv(lattice) + rng.uniform(size=3)
    order = rng.permutation(len(copy))
    return Crystal.make(copy.numbers[order], frac[order], lattice * np.cbrt(rng.uniform(0.9, 1.1)))


def _pairs(crystals: CrystalBatch) -> tuple[int, int]:
    """How many pairs are compared to group crystals, and for how many no basis of one is like the other's."""
    from gnome_lite.novelty.matcher import index
    from gnome_lite.novelty.matcher.cells import Cells
    from gnome_lite.novelty.matcher.mappings import mappings
    from gnome_lite.novelty.matcher.tolerances import ANGLE_TOLERANCE_DEG, LENGTH_TOLERANCE

    compared = apart = 0
    original = index.fits

    def counting(cells: Cells, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        nonlocal compared, apart
        found = mappings(
            cells.crystals.lattices[first],
            cells.lengths[second],
            cells.angles_deg[second],
            LENGTH_TOLERANCE,
            ANGLE_TOLERANCE_DEG,
        )
        compared += len(first)
        apart += len(first) - len(np.unique(found.pair))
        return original(cells, first, second)

    index.fits = counting
    try:
        index.groups(crystals)
    finally:
        index.fits = original
    return compared, apart


def _look_ups(crystals: CrystalBatch) -> list[Row]:
    """Candidates looked for among the bundled references and each other, all at once and one by one."""
    from gnome_lite.assemble import load_references
    from gnome_lite.novelty.matcher.index import SameCrystals

    references = load_references()
    ids = [str(i) for i in range(len(crystals))]

    def filled() -> SameCrystals:
        index = SameCrystals()
        index.extend(references.ids, references.crystals)
        return index

    def one_by_one() -> list[str | None]:
        index, found = filled(), []
        for id, crystal in zip(ids, crystals, strict=True):
            found.append(index.find(crystal))
            if found[-1] is None:
                index.add(id, crystal)
        return found

    together, equal = _processor_seconds(lambda: filled().admit(ids, crystals))
    single, found = _processor_seconds(one_by_one)
    same = equal == found
    n = len(crystals)
    return [
        Row(f"look-ups beside {len(references)} references, admitted at once", "1/s", n / together, None, "", None),
        Row("the same, one by one, answers equal", "1/s", n / single, None, "", None, "equal", same),
    ]


def _processor_seconds(call: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    result = call()
    return time.process_time() - started, result
