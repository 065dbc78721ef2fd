"""Does something in a forked process: one that may die, hold a lock, or live under limits of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gnome_lite.core.errors import GnomeLiteError

Tell = Callable[[str], object]


def _fork(work: Callable[[Tell], object]) -> tuple[int, int]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda line: os.write(write, f"{line}\n".encode()))
        except GnomeLiteError as error:
            os.write(write, f"error: {error}".encode())
        except BaseException as error:
            os.write(write, f"not ours: {error!r}".encode())
        os._exit(0)
    os.close(write)
    return pid, read


def told(work: Callable[[Tell], object]) -> tuple[int, list[str]]:
    """Return how a forked process ended (-9: killed) and the lines it told; an error that ended it comes last."""
    pid, read = _fork(work)
    with os.fdopen(read) as lines:
        said = lines.read().splitlines()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


@contextmanager
def living(work: Callable[[Tell], object]) -> Iterator[int]:
    """Pid of a forked process that has told one line and goes on; it is killed in the end."""
    pid, read = _fork(work)
    assert os.read(read, 1000)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)
