"""A pool of child processes that work off a queue: a hang, a crash or a runaway costs one task, not the others."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from gnome_lite.core.messages import Message
from gnome_lite.core.processes import Child, ExitReason, beyond, readable

T = TypeVar("T")

START_DEADLINE_S = 300.0
"""Time for a child to import its packages and load its weights; usually 5 s."""

LOOK_EVERY_S = 0.5
"""Time between two looks at the memory of children, which cost some milliseconds each."""


class Event(NamedTuple, Generic[T]):
    """What a child says of its task, or why it is no more; the task is None where the child was not ready yet."""

    task: T | None
    said: Message | ExitReason
    seconds: float


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    task: T | None
    since: float
    limit_s: float

    def event(self, said: Message | ExitReason) -> Event[T]:
        return Event(self.task, said, time.monotonic() - self.since)


class Workers(Generic[T]):
    """Children that run one module of ours. They start when first needed and live until `close`.

    A child is told the set-up first and says {"ready": true} when it can begin. Of a task it may say {"progress": ...}
    any number of times; what else it says is the answer, and the last thing that is heard of it if "last" is in it.

    Args:
        message_of: what a child is told of a task.
        n: the most children at a time; 0 means one a core.
        deadline_s: for one task.
        memory_bytes: the most that a child at work may hold, with all that it started.
        start: starts a child that runs the module.

    Attributes:
        idle: children that wait for a task.
    """

    def __init__(
        self,
        module: str,
        setup: Message,
        message_of: Callable[[T], Message],
        n: int,
        deadline_s: float = math.inf,
        memory_bytes: float = math.inf,
        start: Callable[[str], Child] = Child.of_module,
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._module, self._setup, self._message_of = module, setup, message_of
        self.n, self._deadline_s = n or cores, deadline_s
        self._memory_bytes, self._next_look = memory_bytes, 0.0
        self._start = start
        self.idle: list[Child] = []

    def run(self, tasks: deque[T]) -> Generator[Event[T], None, None]:
        """Work off a queue, to which tasks may be added meanwhile. Closing the iterator stops what still runs."""
        jobs: dict[Child, _Job[T]] = {}
        try:
            while tasks or any(job.task is not None for job in jobs.values()):
                self._fill(jobs, tasks)
                nearest = min(job.since + job.limit_s for job in jobs.values())
                tick = math.inf if self._memory_bytes == math.inf else LOOK_EVERY_S
                wait_s = min(nearest - time.monotonic() + 0.01, tick)
                heard = readable(jobs, None if wait_s == math.inf else max(0.0, wait_s))
                # Judged before anything is yielded: the caller's own time is no fault of a child's.
                now = time.monotonic()
                overdue = [(child, job) for child, job in jobs.items() if now > job.since + job.limit_s]
                greedy = self._greedy(jobs, now)
                for child in heard:
                    yield from self._hear(child, jobs, tasks)
                for child, job in overdue:
                    if jobs.get(child) is job:  # it has not answered just now
                        del jobs[child]
                        yield job.event(child.end(job.limit_s))
                for child, held in greedy.items():
                    if child in jobs:
                        yield jobs.pop(child).event(child.end(held_bytes=held))
        finally:
            for child in jobs:
                child.stop()

    def close(self) -> None:
        """Stop the children that wait."""
        while self.idle:
            self.idle.pop().stop()

    def _greedy(self, jobs: dict[Child, _Job[T]], now: float) -> dict[Child, int]:
        """Return what each child at work holds that holds too much; looked at only every so often."""
        if self._memory_bytes == math.inf or now < self._next_look:
            return {}
        self._next_look = now + LOOK_EVERY_S
        return beyond([child for child, job in jobs.items() if job.task is not None], self._memory_bytes)

    def _fill(self, jobs: dict[Child, _Job[T]], tasks: deque[T]) -> None:
        """Have one child for each task, waiting or begun, as far as there may be."""
        begun = sum(job.task is not None for job in jobs.values())
        while len(jobs) < min(self.n, len(tasks) + begun):
            if not self.idle:
                child = self._start(self._module)
                child.send(self._setup)
                jobs[child] = _Job(None, time.monotonic(), START_DEADLINE_S)
            elif (child := self.idle.pop()).alive:
                self._give(child, jobs, tasks)
                begun += 1

    def _give(self, child: Child, jobs: dict[Child, _Job[T]], tasks: deque[T]) -> None:
        task = tasks.popleft()
        jobs[child] = _Job(task, time.monotonic(), self._deadline_s)
        child.send(self._message_of(task))

    def _hear(self, child: Child, jobs: dict[Child, _Job[T]], tasks: deque[T]) -> Iterator[Event[T]]:
        job = jobs[child]
        try:
            messages = child.read()
        except (EOFError, ValueError):
            del jobs[child]
            yield job.event(child.end())
            return
        for message in messages:
            if "ready" in message and tasks:
                self._give(child, jobs, tasks)
            elif "progress" in message:
                yield job.event(message)
            else:
                del jobs[child]
                if "last" in message:
                    child.stop()
                else:
                    self.idle.append(child)
                if "ready" not in message:
                    yield job.event(message)
                return
