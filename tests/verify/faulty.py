"""Calculators that go wrong, for the child processes: named as "faulty:trap" with this folder on the path.

`trap` is a Lennard-Jones calculator that breaks in its own way on each noble gas, so that one pool of
workers meets every fault.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones

GOOD, HANG, SEGFAULT, MEMORY, NAN, KILLED, FIRST_TIME = "Ar", "Kr", "Xe", "Rn", "Ne", "He", "Au"
CLOSES, LEAVES_CHILDREN, HIDES_A_CHILD, SHOUTS = "Cu", "Ag", "Pt", "Pd"


class Trap(LennardJones):
    """Harmless on argon.

    Args:
        folder: where a fault leaves its traces.
    """

    def __init__(self, folder: str = "") -> None:
        super().__init__(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
        self.folder = Path(folder)

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        assert atoms is not None
        kind = atoms.get_chemical_symbols()[0]
        if kind == HANG:
            child = subprocess.Popen(["sleep", "1000"])
            self.folder.joinpath("pids").write_text(f"{os.getpid()} {child.pid}")
            # PyDLL keeps the interpreter's lock: no Python thread runs while this sleeps.
            ctypes.PyDLL(None).sleep(1000)
        if kind == CLOSES:
            os.closerange(3, 256)
            time.sleep(1000)
        if kind in (LEAVES_CHILDREN, HIDES_A_CHILD):
            child = subprocess.Popen(["sleep", "1000"], start_new_session=kind == HIDES_A_CHILD)
            self.folder.joinpath(f"child-{kind}").write_text(str(child.pid))
            if kind == LEAVES_CHILDREN:
                ctypes.string_at(0)
            time.sleep(1000)
        if kind == SHOUTS:
            for _ in range(64):
                os.write(2, b"x" * (1 << 20))
        if kind == SEGFAULT:
            self.folder.joinpath(f"try-{os.getpid()}").touch()
            ctypes.string_at(0)
        if kind == MEMORY:
            np.ones(1 << 40)
        if kind == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == FIRST_TIME and not (mark := self.folder / "been-here").exists():
            mark.touch()
            ctypes.string_at(0)
        super().calculate(atoms, properties, system_changes)
        if kind == NAN:
            self.results["energy"] = np.nan
            self.results["forces"] = np.zeros_like(self.results["forces"])


def trap(folder: str = "") -> Trap:
    return Trap(folder)


def cannot_be_built() -> Calculator:
    raise RuntimeError("no licence for this code")


def dies_at_birth() -> Calculator:
    ctypes.string_at(0)
    raise AssertionError


def slow_to_die(**_: Any) -> Calculator:
    time.sleep(1000)
    raise AssertionError


class Broken(LennardJones):
    """Argon until evaluation `at`, whose `what` then is `value`."""

    def __init__(self, what: str, value: float, at: int) -> None:
        super().__init__(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
        self.what, self.value, self.at, self.n = what, value, at, 0

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if self.n >= self.at:
            good = self.results[self.what]
            self.results[self.what] = self.value if np.isscalar(good) else np.full_like(good, self.value)
        self.n += 1
