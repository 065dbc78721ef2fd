"""Engines give the results of a function on shards, here or in other processes."""

from __future__ import annotations

import pytest

from gnome_lite.campaign.engine import Direct, LocalProcesses

SHARDS = [(3, 1), (2,), (6, 5, 4)]


@pytest.mark.parametrize("engine", [Direct(), LocalProcesses(2, shard_size=3)])
def test_every_shard_is_mapped_once(engine: Direct) -> None:
    assert sorted(engine.map(sorted, SHARDS)) == [1, 2, 3, 4, 5, 6]


def test_direct_keeps_the_order_and_hands_over_each_result_at_once() -> None:
    results = Direct().map(reversed, SHARDS)
    assert next(results) == 1
    assert list(results) == [3, 2, 4, 5, 6]
