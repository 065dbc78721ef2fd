"""The child process: reads crystals from a pipe, relaxes each, writes the outcome back.

Started by `verifier.ProcessVerifier` as `python -m gnome_lite.verify.worker LIFELINE_FD`, in a session of
its own, one torch thread, under a memory limit.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import resource
import sys
from typing import BinaryIO

from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.messages import Message, crystal_from_wire, crystal_to_wire, pack, unpack
from gnome_lite.core.records import Failure

_READ_BYTES = 1 << 16


def main() -> None:
    """Serve until the parent closes the pipe."""
    _die_with_parent(int(sys.argv[1]))
    faulthandler.enable()
    # Libraries print to stdout, which is the protocol's: move it to where nobody else writes.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    inbox = bytearray()
    setup = _read(inbox)
    if setup is None:
        return
    limit = int(setup["memory_bytes"])
    try:
        from gnome_lite.verify.calculators import make_calculator, max_z
        from gnome_lite.verify.external.interpreter import ExternalCalculator

        calculator = make_calculator(setup["calculator"], setup["kwargs"])
        from gnome_lite.verify.relax import relax
    except (CalculatorError, ImportError, OSError, MemoryError) as error:
        _write(answers, {"refused": str(error)})
        return
    # Only now: libraries starved while they load hang or abort in ways that nobody can explain.
    if (used := _data_bytes()) > limit:
        need = f"{setup['calculator']} alone takes {used / 2**30:.2f} GiB, more than verify.memory_gib"
        _write(answers, {"refused": f"{need} = {limit / 2**30:.2f}: raise it"})
        return
    # Private writable memory, which is what a runaway eats. RLIMIT_AS would also count the many GiB that
    # torch maps and never touches.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if isinstance(calculator, ExternalCalculator):
        calculator.limit_memory(limit)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _write(answers, {"ready": True})
    while (task := _read(inbox)) is not None:
        try:
            end = relax(
                crystal_from_wire(task),
                calculator,
                setup["fmax_ev_per_ang"],
                setup["max_steps"],
                max_z=max_z(setup["calculator"]),
                elemental_ev_per_atom=setup["elemental_ev_per_atom"],
                keep_frames=setup["keep_frames"],
                symmetry=setup["symmetry"],
            )
        except MemoryError:
            # The parent starts a fresh process: after this one nothing here is to be trusted.
            _write(answers, {"failure": Failure.OUT_OF_MEMORY, "detail": f"more than {limit / 2**30:.1f} GiB"})
            os._exit(1)
        _write(
            answers,
            crystal_to_wire(end.crystal)
            | {
                "energy_ev": end.energy_ev,
                "max_force_ev_per_ang": end.max_force_ev_per_ang,
                "n_steps": end.n_steps,
                "converged": end.converged,
                "seconds": end.seconds,
                "failure": end.failure,
                "detail": end.detail,
                "frames": [frame.as_lists() for frame in end.frames],
            },
        )


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process and its children when the last writer of a pipe is gone.

    The parent holds the other end and never writes. Unlike a watching thread this works while native
    code hangs, and unlike PR_SET_PDEATHSIG it outlives the parent's *thread* that started us.
    """
    if not hasattr(os, "O_ASYNC"):
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgid(0))
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _data_bytes() -> int:
    """What RLIMIT_DATA counts, now; 0 where the kernel does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def _read(inbox: bytearray) -> Message | None:
    while (message := unpack(inbox)) is None:
        chunk = os.read(0, _READ_BYTES)
        if not chunk:
            return None
        inbox += chunk
    return message


def _write(answers: BinaryIO, message: Message) -> None:
    rest = memoryview(pack(message))
    while rest:
        rest = rest[answers.write(rest) :]


if __name__ == "__main__":
    main()
