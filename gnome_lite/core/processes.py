"""Child processes that end no later than this one, together with all that they start.

Each leads a session of its own. Stopping a child kills its process group, whether or not its leader still lives, and
then whatever carries the child's mark in its environment, which reaches what has made a session of its own. Should this
process die, in whatever way, the kernel closes a pipe of which it alone holds the writing end, and kills the group.
"""

from __future__ import annotations

import fcntl
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple
from uuid import uuid4

from gnome_lite.core.messages import Channel, Message

EXIT_GRACE_S = 1.0
"""Time for a child that has closed its pipe to end by itself."""
SEND_PATIENCE_S = 5.0
"""Time for a child to read what it is sent."""
RELOOK_S = 0.02
LOG_BYTES = 1 << 14
"""So much of the end of what a child writes to standard error is kept, in memory."""
_SECRET_NAME = re.compile(
    r"(^|_)(API_?KEY|KEY|TOKEN|SECRETS?|PASSW(OR)?D|PASSPHRASE|CREDENTIALS?|AUTH|PAT)(_|$)"
    r"|(KEY|TOKEN|SECRET|PASSWORD|DATABASE_URL|CONNECTION_URL)$",
    re.IGNORECASE,
)
_URL_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_LEAST_SECRET = 8
"""Characters of a value that is looked for under other names; shorter ones, such as "1", stand anywhere."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_MARKS = "GNOME_LITE_CHILD"
_TELLING_CHARS = 200


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """Return the names of variables that hold keys: by their name, as a URL with a password, or as a copy of either."""
    named = {k for k, v in environment.items() if _SECRET_NAME.search(k) or _URL_WITH_PASSWORD.match(v)}
    values = {environment[k] for k in named if len(environment[k]) >= _LEAST_SECRET}
    return named | {k for k, v in environment.items() if v in values}


def child_environment() -> dict[str, str]:
    """Return this process's environment with one thread a library and without its keys."""
    secrets = secrets_of(os.environ)
    return {k: v for k, v in os.environ.items() if k not in secrets} | _ONE_THREAD


@contextmanager
def keys_put_away(but_for: str = "") -> Iterator[None]:
    """Take the keys out of this process's own environment while libraries start children that inherit it.

    Args:
        but_for: beginning of the names that the children need.
    """
    kept = {k: os.environ.pop(k) for k in secrets_of(os.environ) if not (but_for and k.startswith(but_for))}
    try:
        yield
    finally:
        os.environ.update(kept)


class ExitReason(NamedTuple):
    """Why a child is no more.

    Attributes:
        kind: "ended", "overdue", or "killed" for its memory: by us, or by the kernel, for nobody else sends SIGKILL.
        text: e.g. "died of SIGSEGV: " and the most telling line of its log.
    """

    kind: str
    text: str


class Child(Channel):
    """A child process that is spoken to over its standard input and output.

    It is stopped at the latest when nothing refers to it any more.

    Args:
        environment: all of its environment.

    Raises:
        OSError: if the command cannot be run.
    """

    patience_s = SEND_PATIENCE_S

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        mark = uuid4().hex
        # A child's own children carry its parent's marks too.
        marked = {**environment, _MARKS: f"{os.environ.get(_MARKS, '')} {mark}"}
        lifeline, our_end = os.pipe()
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=marked,
                pass_fds=[lifeline],
                start_new_session=True,
            )
            _kill_when_closed(lifeline, self.process.pid)
        except BaseException:
            os.close(our_end)
            raise
        finally:
            os.close(lifeline)
        stdin, stdout, log = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin is not None
        assert stdout is not None
        assert log is not None
        super().__init__(stdout.fileno(), stdin.fileno())
        os.set_blocking(stdin.fileno(), False)
        self._log, self.process.stderr = bytearray(), None
        self._logging = threading.Thread(target=_keep_end, args=(log, self._log), daemon=True)
        self._logging.start()
        self._finalizer = weakref.finalize(self, _stop, self.process, mark, our_end, os.getpid())

    @classmethod
    def of_module(cls, module: str) -> Child:
        """A child that runs a module of ours."""
        # Our search path, so that "module:factory" means the same there as here; -P: but for the working directory.
        path = os.pathsep.join([*filter(None, sys.path), str(Path(__file__).resolve().parents[2])])
        return cls([sys.executable, "-P", "-m", module], child_environment() | {"PYTHONPATH": path})

    @property
    def alive(self) -> bool:
        """Whether it has not ended. It is not reaped before it is stopped: until then its number is its own."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self.process.returncode is None and os.waitid(os.P_PID, self.process.pid, options) is None

    def send(self, message: Message) -> None:
        """Send a message, and forget what is in the log."""
        self._log.clear()
        super().send(message)

    def end(self, overdue_s: float | None = None, held_bytes: int | None = None) -> ExitReason:
        """Stop it and say how it ended.

        Args:
            overdue_s: it took so long.
            held_bytes: it held so much memory. None of both: it closed its pipe, and may end by itself for a moment.
        """
        limit = time.monotonic() + (EXIT_GRACE_S if overdue_s is None and held_bytes is None else 0.0)
        while (alive := self.alive) and time.monotonic() < limit:
            time.sleep(0.005)
        self.stop()
        self._logging.join(EXIT_GRACE_S)
        lines = [line.strip() for line in self._log.decode(errors="replace").splitlines() if line.strip()]
        # The interpreter's own word on a native crash is followed by pages of stacks and modules.
        telling = next((line for line in lines if line.startswith("Fatal Python error")), (lines or ["no message"])[-1])
        kind, code = "ended", self.process.returncode
        if overdue_s is not None:
            kind, how = "overdue", f"was stopped after {overdue_s:g} s"
        elif held_bytes is not None:
            kind, how = "killed", f"was stopped when it held {held_bytes / 2**30:.2f} GiB"
        elif alive:
            how = "closed its pipe and lived on"
        elif code < 0:
            kind, how = "killed" if code == -signal.SIGKILL else kind, f"died of {signal.Signals(-code).name}"
        else:
            how = f"ended with status {code}"
        return ExitReason(kind, f"{how}: {telling[:_TELLING_CHARS]}")

    def stop(self) -> None:
        """Kill it and all that it started. Does nothing the second time, nor in a fork of the process that owns it."""
        self._finalizer()


def readable(children: Iterable[Child], patience_s: float | None) -> list[Child]:
    """Those that can be read, as soon as one can; none after so many seconds (None: wait for ever)."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.source, selectors.EVENT_READ, child)
        return [key.data for key, _ in selector.select(patience_s)]


def limit_memory(limit_bytes: int) -> None:
    """Limit the private writable memory of this process and of each one that it has started, which a runaway eats.

    RLIMIT_AS would also count the many GiB that torch maps and never touches. For what no limit of the kernel's counts,
    shared memory and the sum over processes, there is `beyond`.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    for pid in _carriers(os.environ.get(_MARKS, "")):
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def beyond(children: Iterable[Child], limit_bytes: float) -> dict[Child, int]:
    """Return the children that hold more memory than they may, shared memory and all that they started included.

    Returns:
        What each holds, bytes; nothing where there is no /proc.
    """
    table = _process_table()
    found: dict[Child, int] = {}
    for child in children:
        pids = _family(child.process.pid, table)
        # The true sum takes milliseconds a process, so first one that is no smaller. And twice: a process that is just
        # being started shares all the memory of the one that starts it.
        if sum(map(_resident_bytes, pids)) > limit_bytes and sum(map(_held_bytes, pids)) > limit_bytes:
            time.sleep(RELOOK_S)
            if (held := sum(map(_held_bytes, pids))) > limit_bytes:
                found[child] = held
    return found


def data_bytes() -> int:
    """What `limit_memory` limits, now; 0 where the kernel does not say."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
    return 0


def _kill_when_closed(lifeline: int, group: int) -> None:
    """Have the kernel kill a process group when the last writer of a pipe is gone.

    Unlike a watching thread this works while native code hangs; unlike PR_SET_PDEATHSIG it outlives the *thread* of
    ours that started the child, and reaches the child's children.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
    if hasattr(fcntl, "F_SETSIG"):  # else it is SIGIO, which a program may handle
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _keep_end(pipe: IO[bytes], log: bytearray) -> None:
    """Read a pipe to its end and keep the last of it."""
    with pipe:
        while chunk := pipe.read(1 << 16):
            log += chunk
            del log[:-LOG_BYTES]


def _stop(process: subprocess.Popen[bytes], mark: str, our_end: int, owner: int) -> None:
    if os.getpid() != owner:
        return
    group = [-process.pid] if process.returncode is None else []
    limit = time.monotonic() + EXIT_GRACE_S
    while (targets := group + _carriers(mark)) and time.monotonic() < limit:
        for target in targets:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(target, signal.SIGKILL)
        group = []
        time.sleep(0.005)
    process.wait()
    for stream in filter(None, (process.stdin, process.stdout)):
        stream.close()
    os.close(our_end)


def _carriers(mark: str) -> list[int]:
    """Processes with a mark in their environment; none where there is no /proc."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ") if mark else ():
        with suppress(OSError):
            if mark.encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def _process_table() -> dict[int, tuple[int, int]]:
    """Parent and process group of every process."""
    table = {}
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        # Not by Path, which takes five times as long.
        with suppress(OSError), open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:
            _, parent, group = stat.read(1024).rpartition(b")")[2].split()[:3]
            table[int(pid)] = int(parent), int(group)
    return table


def _family(leader: int, table: Mapping[int, tuple[int, int]]) -> list[int]:
    """A process group, with the children of all in it, who may lead groups of their own."""
    family = [pid for pid, (_, group) in table.items() if group == leader]
    for pid in family:  # which grows meanwhile
        family += [child for child, (parent, _) in table.items() if parent == pid and child not in family]
    return family


def _resident_bytes(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return 0


def _held_bytes(pid: int) -> int:
    """Private and shared memory, files apart; of a page that n processes share, one nth (PSS)."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return 0
