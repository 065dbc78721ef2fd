"""Relax candidates in child processes: a hang, a segfault or a runaway costs one candidate, not the round."""

from __future__ import annotations

import fcntl
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from gnome_lite.config import Verify
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Message, crystal_from_wire, crystal_to_wire, pack, unpack
from gnome_lite.core.records import Candidate, Failure, Verification
from gnome_lite.verify.calculators import level_of
from gnome_lite.verify.trajectories import Frame, write_trajectory

START_DEADLINE_S = 300.0
"""Time for a worker to import its packages and load its weights; usually 5 s."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_READ_BYTES = 1 << 16
_LOG_BYTES = 1 << 14
_WORDS = 200


class ProcessVerifier:
    """A `pipeline.Verifier`. Workers start when first needed and live until `close` (or the end of the process).

    Args:
        config: calculator, limits and number of processes.
        elemental_ev_per_atom: elemental references of the calculator's level, by symbol; with them a
            formation energy beyond any real one is refused.
        trajectories: folder for energy, forces and stress of every step, where the config wants them kept.

    Raises:
        CalculatorError: if there is no calculator of that name.
    """

    def __init__(
        self,
        config: Verify,
        elemental_ev_per_atom: Mapping[str, float] | None = None,
        trajectories: Path | None = None,
    ) -> None:
        self.config = config
        self._trajectories = trajectories if config.trajectories != "off" else None
        # Energies of relaxed and of unrelaxed crystals never meet in one hull either.
        self.level = level_of(config.calculator, config.calculator_kwargs) + "-single-point" * (config.max_steps == 0)
        self.n_processes = config.processes or _cores()
        self._setup: Message = {
            "calculator": config.calculator,
            "kwargs": dict(config.calculator_kwargs),
            "fmax_ev_per_ang": config.fmax_ev_per_ang,
            "max_steps": config.max_steps,
            "memory_bytes": int(config.memory_gib * 2**30),
            "elemental_ev_per_atom": dict(elemental_ev_per_atom or {}),
            "keep_frames": self._trajectories is not None,
            "symmetry": config.symmetry,
        }
        self._idle: list[Worker] = []
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        """Relax all, one result for each, in the order in which they end.

        A candidate whose process dies, runs out of memory or runs past its deadline is tried `config.tries` times in
        all, each time in a fresh process and last of the queue: what a worker had gathered before, or a busy
        machine, may have been to blame. Closing the iterator stops what still runs.

        Raises:
            CalculatorError: if the calculator cannot be built.
        """
        # The dearest first: begun last, they would leave all workers but one idle at the end.
        ordered = sorted(candidates, key=lambda c: -len(c.crystal)) if self.n_processes > 1 else candidates
        waiting: deque[tuple[Candidate, int]] = deque((c, 1) for c in ordered)
        team: set[Worker] = set()
        with selectors.DefaultSelector() as selector:
            try:
                while waiting or any(w.task is not None for w in team):
                    self._recruit(team, selector, len(waiting))
                    for worker in team:
                        if worker.ready and worker.task is None and waiting:
                            worker.give(*waiting.popleft(), self.config.deadline_s)
                    heard = {key.data for key, _ in selector.select(_patience(team))}
                    # Judged before anything is yielded: the caller's own time is no fault of a worker's.
                    now = time.monotonic()
                    overdue = {w for w in team if now > w.deadline} - heard
                    for worker in heard:
                        yield from self._hear(worker, waiting)
                    for worker in overdue:
                        yield from self._overdue(worker, waiting)
                    for worker in [w for w in team if w.gone]:
                        selector.unregister(worker.stdout)
                        team.remove(worker)
                        worker.stop()
            finally:
                for worker in team:
                    if worker.task is None and not worker.gone:
                        self._idle.append(worker)
                    else:
                        worker.stop()

    def check(self) -> None:
        """Start a worker, which stays for the work to come.

        Raises:
            CalculatorError: if the calculator cannot be built, or takes too much memory or time to start.
        """
        team: set[Worker] = set()
        nothing: deque[tuple[Candidate, int]] = deque()
        with selectors.DefaultSelector() as selector:
            self._recruit(team, selector, 1)
            (worker,) = team
            try:
                while not worker.ready:
                    if selector.select(_patience(team)):
                        deque(self._hear(worker, nothing), maxlen=0)
                    else:
                        deque(self._overdue(worker, nothing), maxlen=0)
            except BaseException:
                worker.stop()
                raise
            self._idle.append(worker)

    def close(self) -> None:
        """Stop the idle workers."""
        _stop_all(self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _recruit(self, team: set[Worker], selector: selectors.BaseSelector, n_waiting: int) -> None:
        """Bring the team to one worker a waiting or running candidate, at most one a process."""
        wanted = min(self.n_processes, n_waiting + sum(w.task is not None for w in team))
        while len(team) < wanted:
            worker = self._idle.pop() if self._idle else Worker(self._setup)
            if not worker.alive:
                worker.stop()
                continue
            selector.register(worker.stdout, selectors.EVENT_READ, worker)
            team.add(worker)

    def _hear(self, worker: Worker, waiting: deque[tuple[Candidate, int]]) -> Iterator[Verification]:
        """Take what a worker wrote; no bytes mean that it died."""
        chunk = os.read(worker.stdout, _READ_BYTES)
        if not chunk:
            worker.gone = True
            yield from self._dead(worker, waiting)
            return
        worker.inbox += chunk
        message = unpack(worker.inbox)
        if message is None:
            return
        worker.deadline = math.inf
        if "refused" in message:
            raise CalculatorError(message["refused"])
        if "ready" in message:
            worker.ready = True
            return
        task, worker.task = worker.task, None
        assert task is not None, "a worker answers only what it was asked"
        seconds = time.monotonic() - worker.since
        if message["failure"] == Failure.OUT_OF_MEMORY:
            worker.gone = True  # it ends itself: nothing more must be given to it
            yield from self._again(task, waiting, Failure.OUT_OF_MEMORY, message["detail"], seconds)
            return
        yield self._outcome(task[0], message, seconds)

    def _dead(self, worker: Worker, waiting: deque[tuple[Candidate, int]]) -> Iterator[Verification]:
        how, last_words = worker.obituary()
        task, worker.task = worker.task, None
        if task is None:
            if not worker.ready:
                raise CalculatorError(
                    f"a worker for {self.config.calculator} {how} while starting: {last_words}; "
                    "try the calculator by itself in Python"
                )
            return
        # Only the kernel, short of memory, sends SIGKILL to a process of ours.
        killed = worker.process.returncode == -signal.SIGKILL
        failure = Failure.OUT_OF_MEMORY if killed else Failure.CRASHED
        detail = f"worker {how}: {last_words}"
        yield from self._again(task, waiting, failure, detail, time.monotonic() - worker.since)

    def _overdue(self, worker: Worker, waiting: deque[tuple[Candidate, int]]) -> Iterator[Verification]:
        task, worker.task, worker.gone = worker.task, None, True
        worker.stop()
        if task is None:
            raise CalculatorError(f"a worker for {self.config.calculator} did not start in {START_DEADLINE_S:.0f} s")
        detail = f"stopped after {self.config.deadline_s:g} s"
        yield from self._again(task, waiting, Failure.TIMEOUT, detail, time.monotonic() - worker.since)

    def _again(
        self,
        task: tuple[Candidate, int],
        waiting: deque[tuple[Candidate, int]],
        failure: Failure,
        detail: str,
        seconds: float,
    ) -> Iterator[Verification]:
        """Another try, or the failure where there was one too many."""
        candidate, attempt = task
        if attempt < self.config.tries:
            waiting.append((candidate, attempt + 1))
            return
        tries = "on the only try" if attempt == 1 else f"on the last of {attempt} tries"
        yield self._failed(candidate, failure, f"{tries}: {detail}", seconds)

    def _outcome(self, candidate: Candidate, message: Message, seconds: float) -> Verification:
        failure = Failure(message["failure"]) if message["failure"] else None
        if "numbers" not in message:
            return self._failed(candidate, failure or Failure.CRASHED, message["detail"], seconds)
        if self._trajectories is not None and message["frames"]:
            frames = [Frame.from_lists(frame) for frame in message["frames"]]
            write_trajectory(self._trajectories, self.config.trajectories, self.level, candidate.id, frames)
        return Verification(
            candidate.id,
            crystal_from_wire(message),
            message["energy_ev"],
            message["max_force_ev_per_ang"],
            message["n_steps"],
            message["converged"],
            self.level,
            message["seconds"],
            failure,
            message["detail"],
        )

    def _failed(self, candidate: Candidate, failure: Failure, detail: str, seconds: float) -> Verification:
        return Verification(
            candidate.id, candidate.crystal, np.nan, np.nan, 0, False, self.level, seconds, failure, detail
        )


class Worker:
    """One child process and what it is doing.

    Attributes:
        task: the candidate it relaxes and which try this is.
        ready: it has its calculator.
        gone: it closed its pipe or was stopped.
        deadline: on the monotonic clock, when it must have answered.
    """

    def __init__(self, setup: Message) -> None:
        self.task: tuple[Candidate, int] | None = None
        self.ready = False
        self.gone = False
        self._owner = os.getpid()
        self.inbox = bytearray()
        self.since = time.monotonic()
        self.deadline = self.since + START_DEADLINE_S
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        fcntl.fcntl(self._log, fcntl.F_SETFL, fcntl.fcntl(self._log, fcntl.F_GETFL) | os.O_APPEND)
        lifeline, self._lifeline = os.pipe()
        try:
            # A session of its own, so that killpg reaches whatever the calculator itself starts; the
            # parent's search path, so that "module:factory" means the same there as here.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gnome_lite.verify.worker", str(lifeline)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                pass_fds=[lifeline],
                start_new_session=True,
                env=os.environ | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
        finally:
            os.close(lifeline)
        assert self.process.stdout is not None, "a pipe was asked for"
        self.stdout = self.process.stdout.fileno()
        self._send(setup)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def give(self, candidate: Candidate, attempt: int, deadline_s: float) -> None:
        """Have a crystal relaxed."""
        os.ftruncate(self._log.fileno(), 0)
        self.task = (candidate, attempt)
        self.since = time.monotonic()
        self.deadline = self.since + deadline_s
        self._send(crystal_to_wire(candidate.crystal))

    def obituary(self) -> tuple[str, str]:
        """How a process that closed its pipe ended, and the most telling line it wrote."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.stop()
            code = self.process.returncode
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        size = os.fstat(self._log.fileno()).st_size
        log = os.pread(self._log.fileno(), _LOG_BYTES, max(0, size - _LOG_BYTES)).decode(errors="replace")
        lines = [line.strip() for line in log.split("\n") if line.strip()] or ["no message"]
        # The interpreter's own word on a native crash is followed by pages of stacks and modules.
        telling = next((line for line in lines if line.startswith("Fatal Python error")), lines[-1])
        return how, telling[:_WORDS]

    def stop(self) -> None:
        """Kill it and all that it started. May be called twice; does nothing in a fork of the process that owns it."""
        if os.getpid() != self._owner:
            return
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _send(self, message: Message) -> None:
        assert self.process.stdin is not None, "a pipe was asked for"
        rest = memoryview(pack(message))
        try:
            while rest:
                rest = rest[self.process.stdin.write(rest) or 0 :]
        except BrokenPipeError:
            pass  # It died; its closed stdout says so to the selector.


def _patience(team: set[Worker]) -> float | None:
    """Seconds until the next deadline."""
    nearest = min((w.deadline for w in team), default=math.inf)
    return None if nearest == math.inf else max(0.0, nearest - time.monotonic()) + 0.01


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stop_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().stop()
