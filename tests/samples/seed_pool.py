"""A labelled pool out of the bundled seed itself, for tests: real crystals, real relaxations, nothing new to relax.

Half of the compounds' formulas, drawn by their md5, play the unknown: their unrelaxed crystals of `inputs.parquet` are
the candidates, and what they relaxed to in `references.parquet` the outcomes. The references are the elements and the
other half. The shipped networks have seen most of both: good for testing replays, no test of the networks.

As a script, `python tests/seed_universe.py DIR` writes DIR/universe.parquet and DIR/references.parquet.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import numpy as np

from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Failure, Phase, Verification
from gnome_lite.evaluation.labelled_pool import LabelledPool
from gnome_lite.evaluation.pool_files import write_pool
from gnome_lite.settings import bundled
from gnome_lite.sources.reference_files import read_references, write_references


def seed_pool(
    elements: Collection[str] | None = None, fail_every: int = 0
) -> tuple[PhaseSet, LabelledPool, list[Phase]]:
    """(references, labelled pool, what the labelled pool's candidates relaxed to).

    Args:
        elements: only compounds of these; None takes all.
        fail_every: of the candidates, in the order of ids, every so manyth is said to have exploded; 0 = none.
    """
    known = {e.id: e for e in read_references(bundled("seed", "references.parquet"))}
    inputs = {e.id: e for e in read_references(bundled("seed", "inputs.parquet"))}
    references, hidden = [], []
    for e in known.values():
        within = elements is None or set(e.crystal.chemical_system.split("-")) <= set(elements)
        if np.ptp(e.crystal.numbers) == 0:
            references.append(e)
        elif within:
            half = md5(e.crystal.reduced_formula.encode(), usedforsecurity=False).digest()[1] & 1
            (hidden if half else references).append(e)
    made = PhaseSet.make(references)
    pairs = []
    for n, e in enumerate(hidden):
        start, (maker, _, origin) = inputs[e.id].crystal, inputs[e.id].source.partition(": ")
        parent, _, change = origin.partition(" ")
        probability = np.random.default_rng(n).random() if change else np.nan
        failure = Failure.EXPLODED if fail_every and n % fail_every == 0 else None
        pairs.append(
            (
                Candidate(start.content_id, start, parent, maker.rpartition(" ")[2], change, 0, probability),
                Verification(
                    start.content_id, start if failure else e.crystal, np.nan if failure else e.energy_ev, 0.04, 20,
                    failure is None, e.level, 1.0, failure,
                ),
            )
        )  # fmt: skip
    return made, LabelledPool.make(pairs, made.id), [replace(e, fingerprint="") for e in hidden]


def write_seed_pool(directory: Path, elements: Collection[str] | None = None, fail_every: int = 0) -> LabelledPool:
    references, labelled, _ = seed_pool(elements, fail_every)
    write_references(directory / "references.parquet", references)
    write_pool(directory / "universe.parquet", labelled)
    return labelled


if __name__ == "__main__":
    made = write_seed_pool(Path(sys.argv[1]))
    print(len(made), made.census())
