"""A calculator that tells a log which crystals it was asked about, and takes its time."""

from __future__ import annotations

import time
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones


def tell(home: Path, what: str) -> None:
    with open(home / "log", "a") as file:
        file.write(f"{what}\n")


class Slow(LennardJones):
    """Tells which crystal it is asked about, and takes a fifth of a second for each."""

    def __init__(self, home: str) -> None:
        super().__init__(sigma=2.0, epsilon=0.01, rc=6.0)
        self.home, self.formula = Path(home), ""

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        assert atoms is not None
        if (formula := atoms.get_chemical_formula()) != self.formula:
            self.formula = formula
            tell(self.home, formula)
            time.sleep(0.2)
        super().calculate(atoms, properties, system_changes)
