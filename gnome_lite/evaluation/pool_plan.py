"""Plan a labelled pool: the first candidates of a campaign's own stream, with no network choosing among them."""

from __future__ import annotations

import zlib
from collections import Counter

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.stages import Stages
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import Candidate, CandidatePool
from gnome_lite.generate.sift import Sifted, Tally, sift


def plan_pool(n: int, seed: int, stages: Stages) -> tuple[list[Candidate], Counter[str]]:
    """Return the first n candidates that pass the gate and equal no reference phase and none before them.

    Args:
        stages: of a campaign before its first round, with an empty store.

    Returns:
        The candidates, in the order of the stream, and how many were made and left out, by cause.

    Raises:
        ConfigError: if the generators end before.
    """
    context = Context(stages)
    parents, ids = context.parents()
    index, tally = context.index(), Tally()
    stream = stages.candidates.stream(parents, ids, 0, (seed, 0, zlib.crc32(b"universe")))
    kept: list[Sifted] = []
    for part in sift(stream, stages.gate, lambda pool: index.admit(_ids(pool), pool.crystals), tally, n):
        kept.append(part)
        stages.progress("generate", tally.kept, n, f"{tally.made} made")
    if tally.kept < n:
        raise ConfigError(
            f"the generators end after {tally.kept} candidates: ask for no more than these, or widen the campaign"
        )
    pool = CandidatePool.concatenate([part.kept for part in kept], 0)
    census = Counter({"made": tally.made, "duplicates": tally.duplicates})
    census.update({f"gated: {cause}": number for cause, number in tally.refused.items()})
    return [pool.candidate(i) for i in range(n)], census


def _ids(pool: CandidatePool) -> list[str]:
    return [crystal.content_id for crystal in pool.crystals]
