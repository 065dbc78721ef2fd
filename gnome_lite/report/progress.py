"""Progress on stderr: a live bar in a terminal, plain throttled lines anywhere else (logs, pipes, CI)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from gnome_lite.pipeline import Progress

if TYPE_CHECKING:
    from rich.console import Console


class PlainProgress:
    """Lines such as "verify 12/28 NaCl": at a stage's start and end, and at most one every `every_s`."""

    def __init__(self, stream: TextIO, every_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._every_s, self._clock = stream, every_s, clock
        self._stage = ""
        self._last_s = -every_s

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        now = self._clock()
        begins, ends = stage != self._stage, 0 < total <= done
        if not (begins or ends or now - self._last_s >= self._every_s):
            return
        self._stage, self._last_s = stage, now
        print(_line(stage, done, total, note), file=self._stream, flush=True)


class BarProgress:
    """One live bar for the running stage; each finished stage leaves one line behind."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description:<9}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[count]:>11}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}", markup=True),
            console=console,
            transient=True,
        )
        self._stage = ""
        self._task = self._bars.add_task("", visible=False, total=None, count="", note="")
        self._started_s = 0.0
        self._shown = (0, 0, "")

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._leave_line()
        self._bars.stop()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        from rich.markup import escape

        if stage != self._stage:
            self._leave_line()
            self._stage, self._started_s = stage, time.monotonic()
            self._bars.reset(self._task, description=stage, visible=True)
        self._shown = (done, total, note)
        count = f"{done}/{total}" if total else ""
        self._bars.update(self._task, completed=done, total=total or None, count=count, note=escape(note), visible=True)

    def _leave_line(self) -> None:
        if self._stage:
            seconds = time.monotonic() - self._started_s
            line = f"{_line(self._stage, *self._shown)}  {seconds:.1f} s"
            self._bars.console.print(line, style="dim", markup=False, highlight=False)


@contextmanager
def progress_on(stream: TextIO) -> Iterator[Progress]:
    """A `Progress` that suits a stream: bars where it is a terminal, lines where it is not."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    from rich.console import Console

    with BarProgress(Console(file=stream)) as progress:
        yield progress


def _line(stage: str, done: int, total: int, note: str) -> str:
    count = f"{done}/{total}" if total else str(done) if done else ""
    return " ".join(part for part in (f"{stage:<9}", count, note) if part).rstrip()
