"""Results logs: relaxations outside a campaign, each kept as it ends, so that a killed job goes on where it stopped.

A results log is a file of JSON lines, one outcome each, on disk before the next is asked for.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.disk import writing
from gnome_lite.core.jsonl import append_line, read_lines
from gnome_lite.core.records import Candidate, Failure, Verification
from gnome_lite.pipeline import Progress, Verifier


class LoggedVerifier:
    """Verify with a results log: nothing is relaxed twice, even by campaigns of several stores."""

    def __init__(self, verifier: Verifier, results_log: Path) -> None:
        self.level = verifier.level
        self._verifier, self._results_log = verifier, results_log

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        """Yield first the outcomes in the results log, in the candidates' order, then each of the others as it ends.

        One process at a time: another one waits, and then finds in the log what was relaxed here.

        Raises:
            DiskError: if the log cannot be written.
        """
        with _held(self._results_log):
            known = {v.candidate_id: v for v in read_results(self._results_log) if v.level == self.level}
            yield from (known[c.id] for c in candidates if c.id in known)
            pending = [c for c in candidates if c.id not in known]
            for outcome in self._verifier.verify(pending):
                plain = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
                append_line(self._results_log, plain | {"crystal": outcome.crystal.as_lists()})
                yield outcome


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Lock a file until this is left or this process dies; whoever has it is waited for."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def relax_all(
    candidates: Sequence[Candidate],
    verifier: Verifier,
    results_log: Path,
    progress: Progress,
    at_once: int | None = None,
) -> dict[str, Verification]:
    """Return the outcome of each candidate by id; those in the results log are not relaxed again.

    Args:
        candidates: what to relax.
        verifier: takes large cells first, to keep its processes busy to the end.
        results_log: file of outcomes so far.
        progress: told of each outcome.
        at_once: so many, in their order, before any of the next: a job that may be stopped has done the first of them.
    """
    outcomes: dict[str, Verification] = {}
    logged, size = LoggedVerifier(verifier, results_log), at_once or max(len(candidates), 1)
    for start in range(0, len(candidates), size):
        for outcome in logged.verify(candidates[start : start + size]):
            outcomes[outcome.candidate_id] = outcome
            progress("relax", len(outcomes), len(candidates), outcome.note)
    return {c.id: outcomes[c.id] for c in candidates}


def read_results(results_log: Path) -> Iterator[Verification]:
    """Yield the outcomes so far; a last line torn by a kill is left out."""
    for row in read_lines(results_log):
        row["crystal"] = Crystal.make(**row["crystal"])
        row["failure"] = Failure(row["failure"]) if row["failure"] else None
        yield Verification(**row)
