"""What a child process of `answers.read_answers` runs: read one result after another, in limited memory.

It writes no file.
"""

from __future__ import annotations

import faulthandler
import resource
from contextlib import suppress
from pathlib import Path

from gnome_lite.core.messages import Channel
from gnome_lite.core.processes import limit_memory
from gnome_lite.verify.files.dft_levels import dft_level
from gnome_lite.verify.files.result_readers import MOST_ATOMS, UnusableError, read_result


def main() -> None:
    """Serve until the parent closes the pipe."""
    faulthandler.enable()
    parent = Channel.to_parent()
    setup = parent.receive()
    name = setup["level"]
    _warm(name)
    limit_memory(int(setup["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    parent.send({"ready": True})
    while True:
        path = Path(parent.receive()["path"])
        try:
            found = read_result(path, name, setup["settings"])
            if len(found["crystal"]["numbers"]) > MOST_ATOMS:
                raise UnusableError(f"it has more than {MOST_ATOMS} atoms")
            parent.send(found)
        except UnusableError as error:
            parent.send({"wrong": str(error)})
        except OSError as error:
            parent.send({"wrong": f"{path.name} cannot be read: {error.strerror or error}"})
        except MemoryError:
            parent.send({"wrong": f"{path.name} takes too much memory to read", "last": True})
            return
        except Exception as error:  # parsers of other packages raise whatever a damaged file leads to
            parent.send({"wrong": f"{path.name} is damaged ({type(error).__name__}: {str(error)[:100]}): run it again"})


def _warm(name: str) -> None:
    """Import what reading needs, before memory is limited and the clock of a folder runs."""
    if dft_level(name).program == "vasp":
        import pymatgen.entries.compatibility
        import pymatgen.io.vasp.outputs
        import pymatgen.io.vasp.sets  # noqa: F401
    elif dft_level(name).program == "espresso":
        import ase.io.espresso  # noqa: F401


if __name__ == "__main__":
    with suppress(EOFError):
        main()
