"""A child process that does what it is told, for the tests of processes and workers: `python -m samples.commanded`.

Every message it gets, the first one of `Workers` too, is {"do": what, ...}.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gnome_lite.core.messages import Channel, Message
from gnome_lite.core.processes import data_bytes, limit_memory

SPAWN = "import subprocess; print(subprocess.Popen(['sleep', '1000'], stdout=2, start_new_session=True).pid)"
HOARD = "try: bytearray(1 << 30)\nexcept MemoryError: print('too much')"


def left(pids: list[int], within_s: float = 5.0) -> list[int]:
    """For the tests themselves: the processes that have not ended in time (a zombie has)."""
    limit = time.monotonic() + within_s
    while (alive := [pid for pid in pids if _lives(pid)]) and time.monotonic() < limit:
        time.sleep(0.02)
    return alive


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def spawned() -> list[int]:
    """This process, a child of it, one in a session of its own, and such a one whose parent has ended."""
    children = [subprocess.Popen(["sleep", "1000"], start_new_session=own) for own in (False, True)]
    orphan = subprocess.check_output([sys.executable, "-c", SPAWN])
    return [os.getpid(), *(child.pid for child in children), int(orphan)]


def hoarded() -> list[str]:
    """What comes of taking 1 GiB where 256 MiB are allowed: here, and in a child that was there before."""
    with subprocess.Popen([sys.executable, "-c", f"input()\n{HOARD}"], stdin=-1, stdout=-1, text=True) as child:
        limit_memory(data_bytes() + (1 << 28))
        try:
            bytearray(1 << 30)
            here = "taken"
        except MemoryError:
            here = "too much"
        return [here, child.communicate("\n")[0].strip()]


def shared(kind: str, size: int) -> mmap.mmap:
    """Memory that counts against no limit of the kernel's, every page of it touched."""
    if kind == "anonymous":
        memory = mmap.mmap(-1, size)
    else:
        with (
            tempfile.TemporaryFile(dir="/dev/shm") if kind == "shm" else os.fdopen(os.memfd_create("x"), "wb+") as file
        ):
            file.truncate(size)
            memory = mmap.mmap(file.fileno(), size)
    memory.write(bytes(size))
    return memory


def forked(size: int, n: int) -> list[int]:
    """Children that hold private memory together with this process."""
    kept = bytearray(os.urandom(1 << 20) * (size >> 20))
    pids = []
    for _ in range(n):
        if (pid := os.fork()) == 0:
            time.sleep(1000)
        pids.append(pid)
    time.sleep(1.5)
    assert kept
    return pids


def obey(parent: Channel, raw: int, order: Message) -> None:
    match order["do"]:
        case "begin":
            parent.send({"ready": True})
        case "answer":
            parent.send({"answer": order["of"], "pid": os.getpid()})
        case "report":
            for k in range(order["times"]):
                parent.send({"progress": k})
            parent.send({"answer": "reported", "last": True})
        case "show environment":
            parent.send({"answer": dict(os.environ)})
        case "shout":
            for _ in range(order["mb"]):
                os.write(2, b"\n" + b"x" * (1 << 20))
            os.write(2, b"\nthe end\n")
            parent.send({"answer": "shouted"})
        case "spawn":
            parent.send({"progress": spawned()})
            obey(parent, raw, {"do": order["then"]})
        case "hoard":
            parent.send({"answer": hoarded()})
        case "share":
            kept = shared(order["kind"], order["size"])
            time.sleep(1000)
            del kept
        case "share by a child":
            code = (
                f"from samples.commanded import shared; import time; m = shared('shm', {order['size']}); time.sleep(99)"
            )
            subprocess.run([sys.executable, "-c", code], start_new_session=True)
        case "fork":
            parent.send({"answer": forked(order["size"], 3)})
        case "trickle":
            while True:
                parent.send({"progress": 0})
                time.sleep(0.01)
        case "babble":
            os.write(raw, (5).to_bytes(8, "big") + b"hello")
        case "hang":
            ctypes.PyDLL(None).sleep(1000)  # the interpreter's lock is kept: no Python thread runs meanwhile
        case "segfault":
            ctypes.string_at(0)
        case "leave":
            print("I leave", file=sys.stderr)
            sys.exit(3)
        case "be killed":
            os.kill(os.getpid(), 9)
        case "close":
            os.closerange(3, 256)
            time.sleep(1000)


def main() -> None:
    raw = os.dup(1)
    parent = Channel.to_parent()
    print("libraries print", flush=True)
    while True:
        obey(parent, raw, parent.receive())


if __name__ == "__main__":
    main()
