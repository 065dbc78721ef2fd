"""Relax candidates in child processes: a hang, a segfault or a runaway costs one candidate, not the round."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.levels import corrections_of
from gnome_lite.core.messages import Message
from gnome_lite.core.processes import ExitReason
from gnome_lite.core.records import Candidate, Failure, Verification
from gnome_lite.core.workers import Workers
from gnome_lite.verify.calculators import in_full, level_of
from gnome_lite.verify.trajectories import Frame, write_trajectory

FAILURES = {"ended": Failure.CRASHED, "killed": Failure.OUT_OF_MEMORY, "overdue": Failure.TIMEOUT}
"""Failure of the candidate that a worker was relaxing when it ended, by `ExitReason.kind`."""


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
        self._made_of = (config, elemental_ev_per_atom, trajectories)
        self._trajectories = trajectories if config.trajectories != "off" else None
        # Energies of relaxed and of unrelaxed crystals never meet in one hull either.
        level = level_of(config.calculator, config.calculator_kwargs, config.corrections)
        self.level = level + "-single-point" * (config.max_steps == 0)
        setup: Message = {
            "calculator": config.calculator,
            "kwargs": dict(config.calculator_kwargs),
            "prerelax": config.prerelax if config.prerelax != config.calculator else "off",
            "memory_bytes": int(config.memory_gib * 2**30),
            "relax": {
                "fmax_ev_per_ang": config.fmax_ev_per_ang,
                "max_steps": config.max_steps,
                "elemental_ev_per_atom": dict(elemental_ev_per_atom or {}),
                "keep_frames": self._trajectories is not None,
                "symmetry": config.symmetry,
                "corrections": corrections_of(
                    *in_full(config.calculator, config.calculator_kwargs), config.corrections
                ),
            },
        }
        self.workers: Workers[tuple[Candidate, int]] = Workers(
            "gnome_lite.verify.worker",
            setup,
            lambda t: t[0].crystal.as_lists(),
            config.processes,
            config.deadline_s,
            setup["memory_bytes"],
        )

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        """Relax all, one result for each, in the order in which they end.

        A candidate whose process dies, runs out of memory or runs past its deadline is tried `config.tries` times in
        all, each time in a fresh process and last of the queue: the state of the worker, or a busy machine, may
        have been the cause. Closing the iterator stops what still runs.

        Raises:
            CalculatorError: if the calculator cannot be built.
        """
        # The largest first: begun last, they would leave all workers but one idle at the end.
        ordered = sorted(candidates, key=lambda c: -len(c.crystal)) if self.workers.n > 1 else candidates
        waiting = deque((c, 1) for c in ordered)
        with closing(self.workers.run(waiting)) as events:
            for task, said, seconds in events:
                if task is None:
                    raise self._not_started(said)
                candidate, attempt = task
                if isinstance(said, ExitReason):
                    failure, detail = FAILURES[said.kind], f"worker {said.text}"
                elif said["failure"] == Failure.OUT_OF_MEMORY:
                    failure, detail = Failure.OUT_OF_MEMORY, said["detail"]
                else:
                    yield self._outcome(candidate, said)
                    continue
                if attempt < self.config.tries:
                    waiting.append((candidate, attempt + 1))
                    continue
                tries = "on the only try" if attempt == 1 else f"on the last of {attempt} tries"
                numbers = (np.nan, np.nan, 0, False, self.level, seconds)
                yield Verification(candidate.id, candidate.crystal, *numbers, failure, f"{tries}: {detail}")

    def check(self) -> None:
        """Start a worker, which stays for the work to come.

        Raises:
            CalculatorError: if the calculator cannot be built, or takes too much memory or time to start.
        """
        overlapping = Crystal.make([1, 1], np.zeros((2, 3)), np.eye(3))  # refused before anything is calculated
        list(self.verify([Candidate("check", overlapping, "", "", "", 0)]))

    def __reduce__(self) -> tuple[Callable[..., ProcessVerifier], tuple[Any, ...]]:
        """Travel to another process as what it was made of; there, equal ones share their workers."""
        config, elemental, trajectories = self._made_of
        return _revived, (config.model_dump_json(), json.dumps(dict(elemental or {})), trajectories)

    def close(self) -> None:
        """Stop the idle workers."""
        self.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _not_started(self, said: Message | ExitReason) -> CalculatorError:
        if not isinstance(said, ExitReason):
            return CalculatorError(said["refused"])
        why = f"a worker for {self.config.calculator} could not start: it {said.text}"
        return CalculatorError(f"{why}; try the calculator by itself in Python")

    def _outcome(self, candidate: Candidate, said: Message) -> Verification:
        frames = [Frame.from_lists(frame) for frame in said.pop("frames")]
        if self._trajectories is not None and frames:
            write_trajectory(self._trajectories, self.config.trajectories, self.level, candidate.id, frames)
        failure = Failure(said["failure"]) if said["failure"] else None
        rest = said | {"crystal": Crystal.make(**said["crystal"]), "failure": failure}
        return Verification(candidate.id, level=self.level, **rest)


@lru_cache(maxsize=4)
def _revived(config: str, elemental: str, trajectories: Path | None) -> ProcessVerifier:
    return ProcessVerifier(Verify.model_validate_json(config), json.loads(elemental), trajectories)
