"""Energies of an ensemble, worked out in shards by a campaign's engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.pipeline import Engine, Progress, in_shards, silent
from gnome_lite.predict import checkpoint
from gnome_lite.predict.ensemble import Ensemble

Asked = tuple[int, Crystal, NDArray[np.float64]]
"""Place of a crystal, the crystal, and volume factors [n_factors]."""


class ShardedEnergies:
    """`Ensemble.energies` in other processes, which read the checkpoint for themselves.

    Energies may differ in the last digits of float32 from those of one process: graphs are put together otherwise.

    Args:
        path: directory of the checkpoint.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine, self._path = engine, path

    def __call__(
        self,
        crystals: CrystalBatch,
        factors: NDArray[np.float64],
        members: Sequence[int] | None = None,
        threads: int = 1,
        progress: Progress = silent,
    ) -> NDArray[np.float64]:
        """Return energies at some volumes, eV/atom, [members, n_factors, n]; as `Ensemble.energies`."""
        n = len(crystals)
        wide = np.broadcast_to(np.reshape(factors, (len(factors), -1)), (len(factors), n))
        asked: list[Asked] = [(i, crystal, wide[:, i]) for i, crystal in enumerate(crystals)]
        asks = None if members is None else tuple(members)
        work, found = partial(_energies, str(self._path), asks), dict[int, NDArray[np.float64]]()
        for i, energies in self._engine.map(work, in_shards(self._engine, asked)):
            found[i] = energies
            progress("predict", len(found), n, "")
        if not found:
            return np.empty((0 if asks is None else len(asks), len(factors), 0))
        return np.stack([found[i] for i in range(n)], axis=-1)


def _energies(
    path: str, members: tuple[int, ...] | None, shard: Sequence[Asked]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Place and energies [members, n_factors] of each crystal of a shard, by one thread."""
    factors = np.stack([wanted for *_, wanted in shard], axis=1)
    crystals = CrystalBatch.from_crystals(crystal for _, crystal, _ in shard)
    energies = _ensemble(path).energies(crystals, factors, members)
    yield from ((i, energies[:, :, k]) for k, (i, *_) in enumerate(shard))


@lru_cache(maxsize=2)
def _ensemble(path: str) -> Ensemble:
    return Ensemble(checkpoint.read(Path(path)))
