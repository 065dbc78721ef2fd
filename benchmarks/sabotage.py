"""Calculators that break in ten ways, each named by the noble or precious element it breaks on; argon is good.

The workers load it as "benchmarks.sabotage:saboteur".
"""

from __future__ import annotations

import ctypes
import time

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones

from gnome_lite.core.records import Failure

GOOD = "Ar"
KINDS = {
    "hang": ("Kr", Failure.TIMEOUT),
    "segfault": ("Xe", Failure.CRASHED),
    "memory hog": ("Rn", Failure.OUT_OF_MEMORY),
    "NaN at step 3": ("Ne", Failure.NON_FINITE),
    "runaway volume": ("Cu", Failure.EXPLODED),
    "overlap": ("Ag", Failure.OVERLAP),
    "exception": ("Au", Failure.CRASHED),
    "wrong shapes": ("Pd", Failure.CRASHED),
    "zero forces, NaN energy": ("Pt", Failure.NON_FINITE),
    "slow": ("Ni", Failure.TIMEOUT),
}
"""Kind of sabotage -> the element it happens to, and the cause it should be given."""

_KIND_OF = {element: kind for kind, (element, _) in KINDS.items()}


class Saboteur(LennardJones):
    """Lennard-Jones argon, whatever the element says, until the sabotage begins."""

    def __init__(self) -> None:
        super().__init__(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
        self.n = 0
        self.hoard: list[np.ndarray] = []

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        assert atoms is not None
        kind = _KIND_OF.get(atoms.get_chemical_symbols()[0], "")
        super().calculate(atoms, properties, system_changes)
        if kind:
            self._sabotage(kind, atoms)

    def _sabotage(self, kind: str, atoms: Atoms) -> None:
        results = self.results
        match kind:
            case "hang":  # PyDLL keeps the interpreter's lock: no Python thread runs while this sleeps
                ctypes.PyDLL(None).sleep(1000)
            case "segfault":
                ctypes.string_at(0)
            case "memory hog":
                while True:
                    self.hoard.append(np.ones(1 << 24))
            case "NaN at step 3":
                self.n += 1
                if self.n % 3 == 0:
                    results["forces"] = np.full_like(results["forces"], np.nan)
            case "runaway volume":  # energy falls with the volume for ever
                results["energy"] = results["free_energy"] = -0.05 * atoms.get_volume()
                results["forces"] = np.zeros_like(results["forces"])
                results["stress"] = np.array([-0.05, -0.05, -0.05, 0.0, 0.0, 0.0])
            case "overlap":  # every atom is drawn to the first, softly
                pull = atoms.positions[0] - atoms.positions
                results["energy"] = results["free_energy"] = float((pull**2).sum()) / 2
                results["forces"] = pull
                results["stress"] = np.zeros(6)
            case "exception":
                raise ValueError("the sabotaged calculator raises")
            case "wrong shapes":
                results["forces"] = np.zeros((len(atoms) + 1, 3))
            case "zero forces, NaN energy":
                results["energy"] = results["free_energy"] = np.nan
                results["forces"] = np.zeros_like(results["forces"])
            case "slow":  # each step ends, the relaxation would not
                time.sleep(1.6)


def saboteur() -> Saboteur:
    return Saboteur()
