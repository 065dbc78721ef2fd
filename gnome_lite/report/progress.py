"""Progress on stderr: a live bar in a terminal, plain throttled lines anywhere else (logs, pipes, CI)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from gnome_lite.core.plain_text import printable
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


@contextmanager
def bar_progress(console: Console) -> Iterator[Progress]:
    """Show one live bar for the running stage; each finished stage leaves one line behind."""
    from rich import progress as rich
    from rich.markup import escape

    bars = rich.Progress(
        rich.SpinnerColumn(),
        rich.TextColumn("[bold]{task.description:<9}"),
        rich.BarColumn(bar_width=28),
        rich.TextColumn("{task.fields[count]:>11}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("[dim]{task.fields[note]}", markup=True),
        console=console,
        transient=True,
    )
    task = bars.add_task("", visible=False, total=None, count="", note="")
    line, started_s = "", 0.0

    def leave_line() -> None:
        if line:
            console.print(f"{line}  {time.monotonic() - started_s:.1f} s", style="dim", markup=False, highlight=False)

    def show(stage: str, done: int, total: int, note: str = "") -> None:
        nonlocal line, started_s
        if stage != bars.tasks[0].description:
            leave_line()
            started_s = time.monotonic()
            bars.reset(task, description=stage, visible=True)
        line = _line(stage, done, total, note)
        count = f"{done}/{total}" if total else ""
        bars.update(task, completed=done, total=total or None, count=count, note=escape(printable(note)), visible=True)

    with bars:
        yield show
        leave_line()


@contextmanager
def progress_on(stream: TextIO) -> Iterator[Progress]:
    """Yield a `Progress` that suits a stream: bars where it is a terminal, lines where it is not."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    from rich.console import Console

    with bar_progress(Console(file=stream)) as progress:
        yield progress


def _line(stage: str, done: int, total: int, note: str) -> str:
    count = f"{done}/{total}" if total else str(done) if done else ""
    return printable(" ".join(part for part in (f"{stage:<9}", count, note) if part)).rstrip()
