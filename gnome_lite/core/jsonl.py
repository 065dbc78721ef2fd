"""Files of JSON lines that survive a kill: each line is on disk before the next is written, a torn one is skipped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gnome_lite.core.disk import writing


def append_line(path: Path, row: Any) -> None:
    """Add one line, flushed to disk; directories are made. A line torn by a kill is ended first, and tears no other.

    Raises:
        DiskError: if it cannot be written; the file is then as it was.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            size = file.tell()
            torn = size > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            rest = memoryview(b"\n" * torn + json.dumps(row).encode() + b"\n")
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the whole lines in their order; none where there is no file."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue
