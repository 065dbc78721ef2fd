"""What a child process of `answers.read_in_children` runs: read one result after another, in limited memory.

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
from gnome_lite.verify.files.result_readers import answer_of


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
        answer = answer_of(Path(parent.receive()["path"]), name, setup["settings"])
        parent.send(answer)
        if "last" in answer:
            return


def _warm(name: str) -> None:
    """Import what reading needs, before memory is limited and the clock of a folder runs."""
    if dft_level(name).program == "vasp":
        import pymatgen.analysis.compatibility
        import pymatgen.entries.computed_entries
        import pymatgen.io.vasp.outputs
        import pymatgen.io.vasp.sets  # noqa: F401
    elif dft_level(name).program == "espresso":
        import ase.io.espresso  # noqa: F401


if __name__ == "__main__":
    with suppress(EOFError):
        main()
