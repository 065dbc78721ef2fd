"""Asks `samples.tiny_campaign` for campaigns: run to the end, to a fault point, or killed after some time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

TESTS = Path(__file__).parents[1]


class ForkServer:
    """A process with everything imported, that forks one process a campaign."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        command = [sys.executable, "-m", "samples.tiny_campaign"]
        self._process = subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True)
        assert self._said() == "ready"

    def run(self, home: Path, point: str = "", n: int = 1, killed_after_s: float | None = None) -> int:
        """Run a campaign in a process of its own; return its exit status, -9 where it was killed."""
        assert self._process.stdin is not None
        order = {"home": str(home), "point": point, "n": n, "killed_after_s": killed_after_s}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._said())

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate("")
