"""A calculator whose energy is the number of relaxations that it was told of."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Beginning(Calculator):
    """A spring on the cell, and a count that goes up by `begin` alone."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (as ASE has it)

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        strain = (atoms.get_volume() - 60.0) / 60.0
        stress = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) * strain / 60.0 / 3.0
        self.results = {
            "energy": float(self.begun), "forces": np.zeros((len(atoms), 3)), "stress": stress,
        }  # fmt: skip
