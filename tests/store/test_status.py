"""What a store holds, counted by campaign, round and level."""

from __future__ import annotations

from dataclasses import replace

from samples.small_campaign import CRYSTALS, LEVEL, begin, failed, higher

from gnome_lite.store.database import SqlStore


def test_status_counts(played: SqlStore) -> None:
    begin(played, "second")
    status = played.status()
    first, second = status.campaigns
    assert (status.candidates, status.verifications, status.schema_version) == (6, 5, 7)
    (round,) = first.rounds
    assert (round.candidates, round.predicted, round.selected, round.verified, round.failed) == (6, 6, 5, 5, 1)
    assert (round.judged, round.stable, round.novel) == (4, 2, 1)
    assert set(round.steps) == {"generate", "predict", "acquire", "verify", "judge", "learn"}
    assert first.failures == {"timeout": 1}
    assert [(r, m.id) for r, m in first.models] == [(0, "model-0"), (1, "model-1")]
    assert (first.level, first.n_references, second.rounds) == (LEVEL, 11, ())


def test_levels_are_counted_apart(played: SqlStore) -> None:
    before = played.status().campaigns[0]
    assert before.levels == ()
    level = higher(played).level
    played.add_selection("first", 2, [c.content_id for c in CRYSTALS[2:4]], [], {}, level)
    played.add_verification("first", 2, replace(failed(CRYSTALS[3]), level=level))
    (campaign,) = played.status().campaigns
    (at,) = campaign.levels
    assert (at.level, at.selected, at.verified, at.failed, at.judged, at.stable) == (level, 3, 2, 1, 1, 0)
    assert at.figures == {"hull": "hull-of-higher", "reference_set": "set-1"}
    own = ("round", "candidates", "predicted", "selected", "verified", "failed", "judged", "stable", "novel")
    assert [getattr(campaign.rounds[0], k) for k in own] == [getattr(before.rounds[0], k) for k in own]
