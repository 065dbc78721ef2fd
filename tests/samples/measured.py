"""What it costs to refuse a file: processor time and memory of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_CPU_S, MOST_WALL_S, MOST_MB = 2.0, 60.0, 300.0
"""The wall clock is generous: it is there for what hangs, and machines are busy."""


@contextmanager
def cheaply() -> Iterator[None]:
    """Assert that what is done inside takes less than 2 s and 300 MB."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest memory so far
    before, cpu, wall = _memory_mb("VmRSS"), time.process_time(), time.monotonic()
    yield
    assert time.process_time() - cpu < MOST_CPU_S
    assert time.monotonic() - wall < MOST_WALL_S
    assert _memory_mb("VmHWM") - before < MOST_MB


def _memory_mb(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1000
