"""Relaxation of many candidates by the campaign's engine, in shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gnome_lite.campaign.context import Context
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import Candidate, Verification
from gnome_lite.pipeline import Verifier


def relax(context: Context, verifier: Verifier, candidates: Sequence[Candidate]) -> Iterator[Verification]:
    """Yield the outcome of each candidate as it ends, with the fingerprint of the relaxed crystal."""
    size = context.engine.shard_size or max(1, len(candidates))
    shards = [candidates[start : start + size] for start in range(0, len(candidates), size)]
    for outcome in context.engine.map(verifier.verify, shards):
        if outcome.ok:
            (fingerprint,) = context.stages.novelty.fingerprints(CrystalBatch.from_crystals([outcome.crystal]))
            yield replace(outcome, fingerprint=fingerprint)
        else:
            yield outcome
