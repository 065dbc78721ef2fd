"""How the steps of a campaign are run, and how work on many crystals is spread: the `Engine` contract and two engines.

Only the driver touches the store. What is mapped gets crystals and settings and gives outcomes back, which the
driver commits as they arrive; so a worker may die at any time. A Prefect engine is in `flows.discovery`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

Figures = Mapping[str, Any]
"""Small JSON figures of a step."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """What runs the steps of a campaign.

    Attributes:
        shard_size: crystals in one shard; None hands all to one worker, which spreads them itself.
    """

    shard_size: int | None

    def run(self, name: str, round: int, step: Callable[[], Figures]) -> Figures:
        """Run one step and return its figures; round 0 is the preparation."""
        ...

    def map(self, function: Callable[[Sequence[T]], Iterable[R]], shards: Iterable[Sequence[T]]) -> Iterator[R]:
        """Apply a pure function to each shard and yield all results, in the order in which they come.

        Args:
            function: picklable; gives one result or more for each shard.
            shards: `shard_size` crystals each, at most.
        """
        ...


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
            for done in as_completed([pool.submit(_listed, function, shard) for shard in shards]):
                yield from done.result()


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _listed(function: Callable[[Sequence[T]], Iterable[R]], shard: Sequence[T]) -> list[R]:
    return list(function(shard))
