"""A process with everything imported that forks one process a campaign of `samples.tiny_campaign`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

TESTS = Path(__file__).parents[1]


class ForkServer:
    """Runs campaigns to the end, to a fault point, or until they are killed after some time."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        command = [sys.executable, "-m", "samples.fork_server"]
        self._process = subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True)
        assert self._said() == "ready"

    def run(self, home: Path, point: str = "", n: int = 1, killed_after_s: float | None = None) -> int:
        """Run a campaign in a process of its own; return its exit status, -9 where it was killed."""
        return self._ended([{"home": str(home), "point": point, "n": n}], killed_after_s)[0]

    def run_together(
        self, home: Path, seeds: dict[str, int], killed_after_s: float | None = None, url: str | None = None
    ) -> list[int]:
        """Run campaigns of these names and seeds on one store at once; return their exit statuses."""
        orders = [{"home": str(home), "name": n, "seed": s, "url": url} for n, s in seeds.items()]
        return self._ended(orders, killed_after_s)

    def run_flow(self, home: Path, killed_after_s: float | None = None) -> int:
        """Run the campaign as a Prefect flow."""
        return self._ended([{"home": str(home), "flow": True}], killed_after_s)[0]

    def _ended(self, orders: list[dict[str, Any]], killed_after_s: float | None) -> list[int]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([killed_after_s, orders]) + "\n")
        self._process.stdin.flush()
        return list(json.loads(self._said()))

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")


def forked(order: dict[str, Any]) -> int:
    """Fork a process that does what is ordered; return its pid."""
    from samples.tiny_campaign import run, run_flow

    pid = os.fork()
    if pid == 0:
        os.dup2(2, 1)  # our own standard output is for answers
        try:
            home = Path(order.pop("home"))
            run_flow(home) if order.pop("flow", False) else run(home, **order)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return pid


def main() -> None:
    """The server: for each line [seconds until the kill, orders] say how the processes ended."""
    from samples.tiny_campaign import warm_up

    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        killed_after_s, orders = json.loads(line)
        pids = [forked(order) for order in orders]
        if killed_after_s is not None:
            time.sleep(killed_after_s)
            for pid in pids:  # one that has ended is a zombie, and no other process has its pid
                os.kill(pid, signal.SIGKILL)
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids], flush=True)


if __name__ == "__main__":
    main()
