"""Plan a labelled pool: the first candidates of a campaign's own stream, with no network choosing among them."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from gnome_lite.campaign.context import index_of_known, near_hull
from gnome_lite.config import Generate
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.pipeline import BuildHull, Candidates, Gate, Novelty, Progress


@dataclass(frozen=True, slots=True)
class PoolParts:
    """What a labelled pool is planned with: the generating parts of a campaign, before its first round.

    Attributes:
        references: parents of the candidates; none of these is a duplicate of one.
        candidates: the mix, with its composition screen.
    """

    references: PhaseSet
    generate: Generate
    candidates: Candidates
    gate: Gate
    novelty: Novelty
    build_hull: BuildHull


def plan_pool(n: int, seed: int, parts: PoolParts, progress: Progress) -> tuple[list[Candidate], Counter[str]]:
    """The first n candidates that pass the gate and equal no reference and none before them.

    Returns:
        Them, in the order of the stream, and how many were made and left out, by cause.

    Raises:
        ConfigError: if the generators end before.
    """
    parents, ids = near_hull(parts.generate, parts.build_hull, parts.references)
    index = index_of_known(parts.novelty, parts.references, ())
    census: Counter[str] = Counter()
    kept: list[CandidatePool] = []
    n_kept = 0
    for chunk in parts.candidates.stream(parents, ids, 0, (seed, 0, zlib.crc32(b"universe"))):
        census["made"] += len(chunk)
        refused = parts.gate.causes(chunk.crystals)
        census.update(f"gated: {cause}" for cause in refused if cause)
        passed = chunk.take([not cause for cause in refused])
        equal = index.admit([crystal.content_id for crystal in passed.crystals], passed.crystals)
        fresh = [i for i, known in enumerate(equal) if known is None]
        census["duplicates"] += len(passed) - len(fresh)
        kept.append(passed.take(np.array(fresh[: n - n_kept], dtype=np.int64)))
        n_kept += len(kept[-1])
        progress("generate", n_kept, n, f"{census['made']} made")
        if n_kept == n:
            pool = CandidatePool.concatenate(kept, 0)
            return [pool.candidate(i) for i in range(n)], census
    raise ConfigError(
        f"the generators end after {n_kept} candidates: ask for no more than these, or widen the campaign"
    )
