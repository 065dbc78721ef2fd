"""A closed labelled pool: candidates that have all been verified beforehand, so that a campaign on them is a replay."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.stages import Stages
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.errors import ConfigError, LevelMismatchError, SourceError
from gnome_lite.core.records import Candidate, Verification
from gnome_lite.generate.sift import Tally, sift


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPool:
    """n candidates and the outcome of verifying each, in one order. Build with `LabelledPool.make`.

    Attributes:
        level: level of theory of all outcomes.
        references_id: id of the reference set whose duplicates are not among the candidates.
        id: hash of level, candidate ids and energies.
    """

    candidates: tuple[Candidate, ...]
    outcomes: tuple[Verification, ...]
    level: str
    references_id: str
    id: str

    @classmethod
    def make(cls, pairs: Sequence[tuple[Candidate, Verification]], references_id: str) -> LabelledPool:
        """Check the pairs and put them in the order of their ids.

        Raises:
            SourceError: if there are none, an id is twice, or an outcome is another candidate's.
            LevelMismatchError: if levels differ.
        """
        if not pairs:
            raise SourceError("the labelled pool is empty: give candidates with their outcomes")
        ordered = sorted(pairs, key=lambda pair: pair[0].id)
        for candidate, outcome in ordered:
            if candidate.id != outcome.candidate_id:
                raise SourceError(f"candidate {candidate.id} has the outcome of {outcome.candidate_id}: pair them")
        name, n = Counter(c.id for c, _ in ordered).most_common(1)[0]
        if n > 1:
            raise SourceError(f"candidate {name} is twice in one labelled pool: leave one out")
        levels = sorted({v.level for _, v in ordered})
        if len(levels) > 1:
            raise LevelMismatchError(f"levels {', '.join(levels)} in one labelled pool: verify all at one")
        digest = sha256(levels[0].encode())
        for _, v in ordered:
            digest.update(f"{v.candidate_id} {v.energy_ev if v.ok else math.nan:.6f} {v.failure or ''};".encode())
        candidates, outcomes = zip(*ordered, strict=True)
        return cls(candidates, outcomes, levels[0], references_id, digest.hexdigest()[:16])

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def crystals(self) -> CrystalBatch:
        """The unrelaxed crystals."""
        return CrystalBatch.from_crystals(c.crystal for c in self.candidates)

    def census(self) -> dict[str, int]:
        """Return the number of candidates by generator, and of failures by cause."""
        made = Counter(c.generator for c in self.candidates)
        failed = Counter(f"failed: {v.failure}" for v in self.outcomes if not v.ok)
        return {"candidates": len(self), **dict(made.most_common()), **dict(failed.most_common())}


def plan_pool(n: int, seed: int, stages: Stages) -> tuple[list[Candidate], Counter[str]]:
    """Return the first n candidates of a campaign's stream that pass the gate and equal no phase and none before them.

    No network chooses among them.

    Args:
        n: number of candidates.
        seed: random seed of the stream.
        stages: parts of a campaign before its first round, with an empty store.

    Returns:
        The candidates, in the order of the stream, and how many were made and left out, by cause.

    Raises:
        ConfigError: if the generators end before.
    """
    context, tally = Context(stages), Tally()
    parents, ids = context.parents(round=0)
    index, planned = context.index(), list[Candidate]()
    stream = stages.candidates.stream(parents, ids, 0, (seed, 0, zlib.crc32(b"universe")))
    for part in sift(stream, stages.gate, lambda pool: index.admit(pool.crystals.content_ids, pool.crystals), tally, n):
        planned += part.kept.candidates()
        stages.progress("generate", tally.kept, n, f"{tally.made} made")
    if tally.kept < n:
        raise ConfigError(
            f"the generators end after {tally.kept} candidates: ask for no more than these, or widen the campaign"
        )
    gated = {f"gated: {cause}": number for cause, number in tally.refused.items()}
    return planned[:n], Counter({"made": tally.made, "duplicates": tally.duplicates, **gated})
