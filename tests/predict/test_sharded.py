"""Energies in shards, in this process and in others: those of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.assemble import load_references, shipped_model
from gnome_lite.campaign.engine import Direct, LocalProcesses
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.predict import checkpoint
from gnome_lite.predict.ensemble import Ensemble, volume_factors
from gnome_lite.predict.sharded import ShardedEnergies

SAME_EV_PER_ATOM = 1e-5  # float32


class InShards(Direct):
    shard_size = 3


@pytest.fixture(scope="module")
def path() -> Path:
    found = shipped_model(load_references().level)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def crystals() -> CrystalBatch:
    return load_references().crystals.take(np.arange(100, 107))


@pytest.mark.parametrize("members", [None, [0], [3, 1]])
def test_as_the_ensemble_itself(path: Path, crystals: CrystalBatch, members: Sequence[int] | None) -> None:
    told: list[int] = []
    sharded = ShardedEnergies(InShards(), path)
    factors = volume_factors(3)
    found = sharded(crystals, factors, members, progress=lambda stage, done, total, words: told.append(done))
    whole = Ensemble(checkpoint.read(path)).energies(crystals, factors, members)
    assert found.shape == whole.shape
    assert np.abs(found - whole).max() < SAME_EV_PER_ATOM
    assert told == list(range(1, len(crystals) + 1))


def test_each_crystal_at_volumes_of_its_own(path: Path, crystals: CrystalBatch) -> None:
    own = 1 + 0.01 * np.arange(2 * len(crystals)).reshape(2, -1)
    found = ShardedEnergies(InShards(), path)(crystals, own, [0])
    whole = Ensemble(checkpoint.read(path)).energies(crystals, own, [0])
    assert np.abs(found - whole).max() < SAME_EV_PER_ATOM


def test_nothing_to_work_out(path: Path, crystals: CrystalBatch) -> None:
    assert ShardedEnergies(InShards(), path)(crystals.take([]), volume_factors(3), [0]).shape == (1, 3, 0)


@pytest.mark.slow
def test_in_other_processes(path: Path, crystals: CrystalBatch) -> None:
    factors = volume_factors(3)
    found = ShardedEnergies(LocalProcesses(2, shard_size=4), path)(crystals, factors)
    whole = Ensemble(checkpoint.read(path)).energies(crystals, factors)
    assert np.abs(found - whole).max() < SAME_EV_PER_ATOM
