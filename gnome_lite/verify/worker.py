"""What a child process of `verifier.ProcessVerifier` runs: relax one crystal after another, in limited memory."""

from __future__ import annotations

import faulthandler
import os
import sys
from contextlib import suppress
from dataclasses import fields

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Channel
from gnome_lite.core.processes import data_bytes, limit_memory
from gnome_lite.core.records import Failure
from gnome_lite.verify.calculators import make_calculator, max_z
from gnome_lite.verify.relax import relax


def main() -> None:
    """Serve until the parent closes the pipe."""
    faulthandler.enable()
    parent = Channel.to_parent()
    setup = parent.receive()
    name, limit = setup["calculator"], int(setup["memory_bytes"])
    try:
        calculator = make_calculator(name, setup["kwargs"])
        cheap = None if setup["prerelax"] == "off" else make_calculator(setup["prerelax"])
        # Only now: libraries starved while they load hang or abort in ways that nobody can explain.
        if (used := data_bytes()) > limit:
            need = f"{name} alone takes {used / 2**30:.2f} GiB, more than verify.memory_gib"
            raise CalculatorError(f"{need} = {limit / 2**30:.2f}: raise it")
        limit_memory(limit)
    except (CalculatorError, ImportError, OSError, MemoryError) as error:
        parent.send({"refused": str(error), "last": True})
        return
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    parent.send({"ready": True})
    while True:
        crystal = Crystal.make(**parent.receive())
        try:
            end = relax(crystal, calculator, max_z=max_z(name), cheap=cheap, **setup["relax"])
        except MemoryError:
            # The parent starts a fresh process: after this one nothing here is to be trusted.
            detail = f"more than {limit / 2**30:.1f} GiB"
            parent.send({"failure": Failure.OUT_OF_MEMORY, "detail": detail, "last": True})
            os._exit(1)
        plain = {field.name: getattr(end, field.name) for field in fields(end)}
        frames = [frame.as_lists() for frame in end.frames]
        parent.send(plain | {"crystal": end.crystal.as_lists(), "frames": frames})


if __name__ == "__main__":
    with suppress(EOFError):
        main()
