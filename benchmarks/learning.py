"""Learning: replays of campaigns on a closed labelled pool, rediscovery of known compounds, and a real campaign."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import Row


def measure(long: bool = False) -> Iterator[Row]:
    from benchmarks import learning_campaign, learning_from_little, learning_rediscovery, learning_replay

    yield from learning_replay.measure(long)
    yield from learning_from_little.measure(long)
    yield from learning_rediscovery.measure(long)
    yield from learning_campaign.measure(long)
