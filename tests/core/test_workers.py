"""Tasks worked off by real child processes that do what they are told (`samples.commanded`)."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from samples.commanded import left

from gnome_lite.core.messages import Message
from gnome_lite.core.processes import EXIT_GRACE_S, Child, ExitReason
from gnome_lite.core.workers import Event, Workers

Order = dict[str, Any]
DEADLINE_S = 1.0


@contextmanager
def pool(
    n: int, begin: str = "begin", deadline_s: float = DEADLINE_S, memory_bytes: float = math.inf
) -> Iterator[Workers[Order]]:
    workers = Workers[Order]("samples.commanded", {"do": begin}, lambda order: order, n, deadline_s, memory_bytes)
    yield workers
    workers.close()


def answer(k: int) -> Order:
    return {"do": "answer", "of": k}


def said(event: Event[Order]) -> Message:
    assert not isinstance(event.said, ExitReason), event
    return event.said


def test_few_children_answer_many_tasks() -> None:
    with pool(2) as workers:
        events = list(workers.run(deque(map(answer, range(50)))))
        assert sorted(said(e)["answer"] for e in events) == list(range(50))
        pids = {said(e)["pid"] for e in events}
        assert pids == {child.process.pid for child in workers.idle}
        assert 1 <= len(pids) <= 2
        (again,) = workers.run(deque([answer(1)]))
        assert said(again)["pid"] in pids
    assert not workers.idle


def test_every_fault_costs_one_task() -> None:
    faults = ["segfault", "leave", "hang", "be killed", "close", "babble"]
    tasks = deque([x for k, fault in enumerate(faults) for x in ({"do": fault}, answer(k))])
    with pool(3) as workers:
        events = {(e.task["do"], e.task.get("of")): e for e in workers.run(tasks)}
    assert len(events) == 2 * len(faults)
    assert all(said(events["answer", k])["answer"] == k for k in range(len(faults)))
    ends = [events[fault, None] for fault in faults]
    assert [e.said.kind for e in ends if isinstance(e.said, ExitReason)] == [
        "ended", "ended", "overdue", "killed", "ended", "ended"
    ]  # fmt: skip
    assert DEADLINE_S <= events["hang", None].seconds < DEADLINE_S + 2 * EXIT_GRACE_S


def test_tasks_may_be_added_while_others_run() -> None:
    tasks, tries = deque([{"do": "segfault", "try": 1}, answer(0)]), Counter[str]()
    with pool(2) as workers:
        for event in workers.run(tasks):
            tries[event.task["do"]] += 1
            if event.task.get("try") == 1:
                tasks.append({"do": "segfault", "try": 2})
    assert tries == {"segfault": 2, "answer": 1}


def test_progress_comes_before_an_answer_that_is_the_last() -> None:
    with pool(1) as workers:
        events = list(workers.run(deque([{"do": "report", "times": 3}, answer(7)])))
        assert [e.said for e in events[:4]] == [
            *({"progress": k} for k in range(3)), {"answer": "reported", "last": True}
        ]  # fmt: skip
        assert events[4].said == {"answer": 7, "pid": workers.idle[0].process.pid}


def test_an_end_before_the_start_is_told_from_one_of_a_task() -> None:
    with pool(1, "leave") as workers:
        event = next(workers.run(deque([answer(0)])))
    assert (event.task, event.said) == (None, ExitReason("ended", "ended with status 3: I leave"))


def test_an_abandoned_iterator_stops_its_work() -> None:
    with pool(2) as workers:
        events = workers.run(deque([{"do": "spawn", "then": "hang"}, answer(0), answer(1)]))
        pids = next(said(e)["progress"] for e in events if "progress" in e.said)
        events.close()  # type: ignore[attr-defined]
    assert left(pids) == []


def test_an_idle_child_that_died_is_replaced() -> None:
    with pool(1) as workers:
        list(workers.run(deque([answer(0)])))
        pid = workers.idle[0].process.pid
        os.kill(pid, signal.SIGKILL)
        while workers.idle[0].alive:
            time.sleep(0.01)
        (event,) = workers.run(deque([answer(1)]))
        assert said(event)["answer"] == 1
        assert said(event)["pid"] != pid


def test_the_callers_own_slowness_is_no_timeout() -> None:
    with pool(2) as workers:
        for event in workers.run(deque(map(answer, range(4)))):
            assert not isinstance(event.said, ExitReason)
            time.sleep(DEADLINE_S + 0.1)


def test_a_child_that_talks_on_and_on_is_overdue_too() -> None:
    with pool(1) as workers:
        *_, last = workers.run(deque([{"do": "trickle"}]))
    assert last.said == ExitReason("overdue", "was stopped after 1 s: no message")


def test_a_child_that_reads_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by a task that is larger than what a pipe holds."""
    monkeypatch.setattr(Child, "patience_s", 0.5)
    with pool(1) as workers:
        list(workers.run(deque([answer(0)])))
        os.kill(workers.idle[0].process.pid, signal.SIGSTOP)
        started = time.monotonic()
        (event,) = workers.run(deque([answer(1) | {"ballast": "x" * (1 << 20)}]))
    assert event.said == ExitReason("overdue", "was stopped after 1 s: no message")
    assert time.monotonic() - started < 0.5 + DEADLINE_S + 2 * EXIT_GRACE_S


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")
def test_shared_memory_counts_and_so_does_that_of_what_a_child_started() -> None:
    shares = [{"do": "share", "kind": kind, "size": 300 << 20} for kind in ("anonymous", "shm", "memfd")]
    tasks = deque([*shares, {"do": "share by a child", "size": 300 << 20}, answer(1)])
    with pool(1, deadline_s=60.0, memory_bytes=200 << 20) as workers:
        *greedy, last = workers.run(tasks)
    assert said(last)["answer"] == 1
    reasons = [e.said for e in greedy if isinstance(e.said, ExitReason)]
    assert [r.kind for r in reasons] == ["killed"] * 4
    assert all(r.text.startswith("was stopped when it held 0.") for r in reasons)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")
def test_memory_that_processes_have_together_counts_once() -> None:
    """Four forks, 150 MiB in all of them: 600 by RSS, 150 in truth."""
    with pool(1, deadline_s=60.0, memory_bytes=300 << 20) as workers:
        (event,) = workers.run(deque([{"do": "fork", "size": 150 << 20}]))
    assert left(said(event)["answer"]) == []
