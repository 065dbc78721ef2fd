"""Engines: whoever works shards off, the results are the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from gnome_lite.campaign.engine import Direct, LocalProcesses
from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate
from gnome_lite.verify.verifier import ProcessVerifier


def squares(shard: Sequence[int]) -> Iterator[int]:
    yield from (n * n for n in shard)


def failing(shard: Sequence[int]) -> list[int]:
    raise ValueError(f"shard of {len(shard)}")


def test_direct_runs_here_and_yields_each_result_as_it_is_made() -> None:
    seen: list[int] = []

    def slow(shard: Sequence[int]) -> Iterator[int]:
        for n in shard:
            seen.append(n)
            yield n

    results = Direct().map(slow, [[1, 2], [3]])
    assert next(results) == 1
    assert seen == [1], "the second is not begun before the first is taken"
    assert list(results) == [2, 3]
    assert Direct().run("step", 1, lambda: {"n": 1}) == {"n": 1}


def test_processes_give_the_same_results() -> None:
    engine = LocalProcesses(2, shard_size=3)
    assert sorted(engine.map(squares, [[1, 2, 3], [4]])) == [1, 4, 9, 16]
    assert list(engine.map(squares, [])) == []
    with pytest.raises(ValueError, match="shard of 2"):
        list(engine.map(failing, [[1, 2]]))


def environments(shard: Sequence[int]) -> list[str]:
    return [Path("/proc/self/environ").read_text() for _ in shard]


def test_processes_are_started_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", "canary-0123456789")
    (started_with,) = LocalProcesses(1).map(environments, [[1]])
    assert "PATH=" in started_with
    assert "canary" not in started_with
    assert os.environ["MP_API_KEY"] == "canary-0123456789"


def test_relaxations_in_shards_are_those_of_one_process() -> None:
    crystals = [Crystal.from_ase(bulk(name, cubic=True)) for name in ("Cu", "Au", "Ni")]
    candidates = [Candidate(c.content_id, c, "", "", "", 1) for c in crystals]
    with ProcessVerifier(Verify(calculator="emt", processes=1)) as verifier:
        here = {v.candidate_id: v for v in verifier.verify(candidates)}
        there = list(LocalProcesses(2).map(verifier.verify, [candidates[:2], candidates[2:]]))
    assert len(there) == 3
    for v in there:
        assert v.ok
        assert v.energy_ev == here[v.candidate_id].energy_ev
        assert np.array_equal(v.crystal.lattice, here[v.candidate_id].crystal.lattice)
