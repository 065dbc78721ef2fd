"""Crystals of Al and Ni, which effective medium theory relaxes in milliseconds."""

from __future__ import annotations

from pathlib import Path

from pymatgen.core import Lattice, Structure
from samples.groups import from_spacegroup

EMT_CAMPAIGN = """name = "emt"
[space]
elements = ["Al", "Ni"]
[sources]
seed = false
added = ["mine"]
[verify]
calculator = "emt"
processes = 1
"""


def structures() -> dict[str, Structure]:
    """Both elements, B2 AlNi, L1_2 AlNi3, and AlNi once more as a larger cell."""
    b2 = Structure(Lattice.cubic(2.9), ["Al", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return {
        "al": from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]]),
        "ni": from_spacegroup("Fm-3m", Lattice.cubic(3.5), ["Ni"], [[0, 0, 0]]),
        "alni": b2,
        "alni3": from_spacegroup("Pm-3m", Lattice.cubic(3.6), ["Al", "Ni"], [[0, 0, 0], [0.5, 0.5, 0]]),
        "larger": b2 * (2, 1, 1),
    }


def write_folder(folder: Path, *names: str) -> Path:
    """Write CIFs of some of them, of all where none is named."""
    folder.mkdir(parents=True)
    for name, structure in structures().items():
        if not names or name in names:
            structure.to(filename=str(folder / f"{name}.cif"))
    return folder
