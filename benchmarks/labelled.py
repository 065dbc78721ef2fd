"""The DFT-labelled crystals of the Materials Project (CC BY 4.0, Jain et al., APL Mater. 1, 011002 (2013))."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import data_dir
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import STABLE_EV_PER_ATOM

ENERGY_COLUMNS = {"mp20_val": "formation_energy_per_atom", "mpts52_val": "formation_energy_per_atom"}


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Crystals with their ids and DFT formation energies, eV/atom, [n]."""

    crystals: CrystalBatch
    ids: tuple[str, ...]
    e_form_ev_per_atom: NDArray[np.float64]


def read(name: str, most: int | None = None, max_atoms: int | None = None, stable: str | None = None) -> Labelled:
    """One of ENERGY_COLUMNS: all rows, or `most` spread evenly; of those on the hull by the column `stable`, if named.

    Raises:
        FileNotFoundError: if the data are not there.
    """
    from pymatgen.io.cif import CifParser

    with gzip.open(data_dir() / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    if stable is not None:
        table = [row for row in table if float(row[stable]) <= STABLE_EV_PER_ATOM]
    if most is not None and most < len(table):
        table = [table[i] for i in np.linspace(0, len(table) - 1, most).astype(int)]
    crystals, ids, energies = [], [], []
    for row in table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (structure,) = CifParser(io.StringIO(row["cif"])).parse_structures(primitive=True)
        if max_atoms is None or len(structure) <= max_atoms:
            crystals.append(Crystal.from_pymatgen(structure))
            ids.append(row["material_id"])
            energies.append(float(row[ENERGY_COLUMNS[name]]))
    return Labelled(CrystalBatch.from_crystals(crystals), tuple(ids), np.array(energies))
