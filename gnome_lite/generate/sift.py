"""From a stream of candidates to those worth keeping: gated, and compared with what is there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gnome_lite.core.records import CandidatePool
from gnome_lite.pipeline import Gate

Compare = Callable[[CandidatePool], Sequence[str | None]]
"""Candidates [n] -> what each is the same as, None where it is new, [n]."""


@dataclass(slots=True)
class Tally:
    """How many candidates were made, refused by cause, the same as others, and kept."""

    made: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sifted:
    """One chunk of a stream.

    Attributes:
        passed: what the gate let through, m candidates.
        same_as: what each is the same as, None where it is new, [m].
        kept: those of `passed` that are new, as far as they were still wanted.
    """

    passed: CandidatePool
    same_as: Sequence[str | None]
    kept: CandidatePool


def sift(
    chunks: Iterable[CandidatePool], gate: Gate, compare: Compare, tally: Tally, count: int | None = None
) -> Iterator[Sifted]:
    """Gate and compare a stream chunk by chunk, until so many candidates are kept or the stream ends.

    Args:
        chunks: the stream.
        gate: refuses candidates.
        compare: called once for each chunk, in order; it may remember what it has seen.
        tally: counts, kept up to date before each chunk is yielded.
        count: candidates wanted; None takes all.
    """
    for chunk in chunks:
        refused = gate.causes(chunk.crystals)
        passed = chunk.take([not cause for cause in refused])
        same_as = compare(passed)
        new = [i for i, other in enumerate(same_as) if other is None]
        kept = new if count is None else new[: count - tally.kept]
        tally.made += len(chunk)
        tally.refused.update(cause for cause in refused if cause)
        tally.duplicates += len(passed) - len(new)
        tally.kept += len(kept)
        yield Sifted(passed, same_as, passed.take(np.array(kept, dtype=np.int64)))
        if tally.kept == count:
            return
