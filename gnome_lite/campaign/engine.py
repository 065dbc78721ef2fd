"""Engines that run the steps of a campaign and spread work on many crystals: directly, or over local processes.

Only the driver touches the store. Mapped functions get crystals and settings and return outcomes, which the driver
commits as they arrive; so a worker may die at any time. A Prefect engine is in `flows.discovery`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from gnome_lite.core.processes import keys_put_away
from gnome_lite.pipeline import Figures

T = TypeVar("T")
R = TypeVar("R")


class Direct:
    """Run everything here and now: the engine of notebooks and tests."""

    shard_size: int | None = None

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        """Call the step."""
        return step()

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Yield each result as it is made, so that the driver commits each before the next."""
        for shard in shards:
            yield from function(shard)


class LocalProcesses(Direct):
    """Run steps here, and shards in other processes of this machine, one thread each."""

    def __init__(self, processes: int, shard_size: int = 50) -> None:
        self._processes, self.shard_size = processes, shard_size

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Yield the results of whole shards as they are done."""
        fresh = multiprocessing.get_context("spawn")  # torch does not survive a fork
        with ProcessPoolExecutor(self._processes, fresh, _one_thread) as pool:
            with keys_put_away():  # a process is started as work is submitted
                submitted = [pool.submit(_listed, function, shard) for shard in shards]
            for done in as_completed(submitted):
                yield from done.result()


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _listed(function: Callable[[Sequence[T]], Iterable[R]], shard: Sequence[T]) -> list[R]:
    return list(function(shard))
