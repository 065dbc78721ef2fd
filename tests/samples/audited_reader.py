"""A child that parses files as `gnome_lite.sources.reader` does, and tells what the interpreter was made to do by it.

Run as a module by `tests/sources/test_audited_reader.py`. What only reads what it was given gives no events.
"""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
import warnings
from base64 import b64decode
from importlib import import_module
from pathlib import Path
from typing import Any

from gnome_lite.core.messages import Channel
from gnome_lite.sources import reader

ALLOWED = {"ase", "encodings", "monty", "numpy", "pymatgen", "scipy", "spglib"}
"""Packages of which a parser may import further modules."""
FORBIDDEN = (
    "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "socket.", "urllib.",
    "ftplib.", "http.", "smtplib.", "ctypes.", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.kill", "os.putenv", "shutil.", "tempfile.",
    "pickle.", "marshal.load", "code.__new__", "sqlite3.enable_load_extension", "webbrowser.",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MEMORY_BYTES = 4 << 30
INSTALLED = tuple(str(Path(sysconfig.get_path(p)).resolve()) for p in ("stdlib", "platlib", "purelib"))


def event_of(name: str, args: tuple[Any, ...]) -> str:
    """Return what is wrong with an event of the interpreter, "" where nothing is."""
    bad = name.startswith(FORBIDDEN)
    if name == "import":
        bad = str(args[0]).partition(".")[0] not in ALLOWED | set(sys.stdlib_module_names)
    elif name == "sqlite3.connect":
        bad = args[0] != ":memory:"
    elif name == "open":
        path, mode, flags = args
        bad = bool(set(mode or "") & set("wax+")) or (isinstance(flags, int) and bool(flags & WRITING))
        bad |= not str(path).startswith(INSTALLED)
    elif name in ("exec", "compile"):
        # Installed modules are compiled and executed when they are imported; text of a file has no such name.
        origin = args[0].co_filename if name == "exec" else os.fsdecode(args[1] or "")
        bad = not origin.startswith((*INSTALLED, "<frozen"))
    return f"{name} {str(args)[:200]}" if bad else ""


def main() -> None:
    """Parse the first messages without being watched, the others with."""
    parent = Channel.to_parent()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for module in (*reader.IMPORTS.values(), "scipy.spatial"):
        import_module(module)
    parent.send({"imported": True})  # a long message is not sent to a child that does not read for seconds
    for kind, content in parent.receive()["first"]:
        assert "crystals" in reader.read(kind, b64decode(content), "stem")
    events: list[str] = []

    def hook(name: str, args: tuple[Any, ...]) -> None:
        if (event := event_of(name, args)) and len(events) < 5:
            events.append(event)

    sys.addaudithook(hook)
    parent.send({"ready": True})
    while True:
        message = parent.receive()
        if "run" in message:  # to see that the oracle sees
            exec(message["run"])
            parent.send({"events": list(events)})
            events.clear()
            continue
        result = reader.read(message["kind"], b64decode(message["content"]), "stem")
        used = resource.getrusage(resource.RUSAGE_SELF)
        parent.send({"events": list(events), "error": result.get("error"), "cpu_s": used.ru_utime + used.ru_stime})
        events.clear()


if __name__ == "__main__":
    main()
