"""Relax the crystal of `input.json` by GPAW and write `result.json`: python3 ../program/relax_by_gpaw.py in its folder.

`ask` copies this file, and `factories.py` beside it, next to the folders. It needs Python, ASE and GPAW (Debian's own:
/usr/bin/python3), not gnome_lite. Energies in eV, forces in eV/Å, lengths in Å.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Write the result whole or not at all; a run that is killed begins anew."""
    here = Path(__file__).resolve().parent
    # The interpreter puts this file's folder first, where our modules would hide others of the same names.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != here]
    factories = _load(here / "factories.py")
    from ase import Atoms

    asked = json.loads(Path("input.json").read_text(encoding="utf-8"))
    settings = asked["settings"]
    kwargs = {name: settings[name] for name in ("ecut_ev", "kpoint_density")}
    atoms = Atoms(numbers=asked["numbers"], scaled_positions=asked["frac_coords"], cell=asked["lattice"], pbc=True)
    start = _crystal(atoms)
    atoms.calc, known = factories.PACKAGES["gpaw"].make(**kwargs)
    if unknown := sorted(set(asked["numbers"]) - known):
        sys.exit(f"GPAW has no datasets for Z = {', '.join(map(str, unknown))}")
    began = time.time()
    if settings["single_point"]:
        converged, n_steps = True, 0
    else:
        converged, n_steps = _relax(atoms, settings["fmax_ev_per_ang"], settings["max_steps"])
    result = {
        "reported": factories.describe("gpaw", kwargs),
        "start": start,
        "crystal": _crystal(atoms),
        "energy_ev": float(atoms.get_potential_energy()),
        "forces_ev_per_ang": atoms.get_forces().tolist(),
        "stress_ev_per_ang3": atoms.get_stress(voigt=False).tolist(),
        "converged": bool(converged),
        "n_steps": n_steps,
        "seconds": time.time() - began,
    }
    Path("result.json.part").write_text(json.dumps(result) + "\n", encoding="utf-8")
    os.replace("result.json.part", "result.json")


def _relax(atoms: Any, fmax: float, max_steps: int) -> tuple[bool, int]:
    """Relax atoms and cell in place; return whether forces and stresses got small enough, and the steps taken."""
    from ase.optimize import BFGS

    with BFGS(_cell_filter()(atoms), logfile="relax.log", trajectory="relax.traj") as optimizer:
        converged = optimizer.run(fmax=fmax, steps=max_steps)
        return bool(converged), int(optimizer.get_number_of_steps())


def _cell_filter() -> Any:
    """Return the class that has an optimizer move the cell, too."""
    try:
        from ase.filters import FrechetCellFilter
    except ImportError:
        from ase import constraints

        return vars(constraints)["ExpCellFilter"]  # ASE before 3.23
    return FrechetCellFilter


def _crystal(atoms: Any) -> dict[str, Any]:
    return {
        "numbers": atoms.numbers.tolist(),
        "frac_coords": atoms.get_scaled_positions(wrap=False).tolist(),
        "lattice": atoms.cell.array.tolist(),
    }


def _load(path: Path) -> Any:
    module = ModuleType(path.stem)
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


if __name__ == "__main__":
    main()
