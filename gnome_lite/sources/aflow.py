"""The AFLOW prototypes that pymatgen ships, with the compositions they were first reported in.

Source: M. J. Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi 10.1016/j.commatsci.2017.01.017. Of the 288
prototypes pymatgen carries, each is given as the *reported* crystal (halite is NaCl at 5.63 Å), so volumes are
experimental, but for the few marked high-pressure or theoretical; they are starting points for relaxation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gnome_lite.chemistry.elements import CHGNET_MAX_Z
from gnome_lite.chemistry.prototype_data import prototype_data
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal
from gnome_lite.sources.pymatgen_json import structure_from_dict


@dataclass(frozen=True, slots=True, eq=False)
class Prototype:
    """One prototype.

    Attributes:
        id: "aflow-" + the AFLOW label + its reported formula, unique.
        crystal: primitive cell.
        name: mineral or common name, else the Strukturbericht designation, else the label.
        aflow: AFLOW label, e.g. "AB_cF8_225_a_b".
    """

    id: str
    crystal: Crystal
    name: str
    aflow: str


def prototypes(max_atoms: int = 20) -> list[Prototype]:
    """Return prototypes of at most `max_atoms` atoms that CHGNet knows, ordered by id.

    Raises:
        SourceError: if pymatgen no longer ships the library.
    """
    return [p for p in library() if len(p.crystal) <= max_atoms and p.crystal.numbers.max() <= CHGNET_MAX_Z]


@cache
def library() -> tuple[Prototype, ...]:
    """Return all prototypes, ordered by id; of those with the same label and formula the first that is listed."""
    kept: dict[str, Prototype] = {}
    for record in records():
        crystal, tags = primitive(structure_from_dict(record["snl"], "prototype")), record["tags"]
        name = next((tags[k] for k in ("mineral", "strukturbericht") if tags[k] not in ("", "None")), tags["aflow"])
        key = re.sub(r"[^A-Za-z0-9_.-]", "", f"aflow-{tags['aflow']}-{crystal.reduced_formula}")
        kept.setdefault(key, Prototype(key, crystal, str(name), str(tags["aflow"])))
    return tuple(kept[key] for key in sorted(kept))


def primitive(crystal: Crystal, symprec: float = 0.01) -> Crystal:
    """Return the symmetrised standard primitive cell, or the crystal itself if its symmetry cannot be found."""
    found = symmetry(crystal, symprec)
    if found is None:
        return crystal
    cell = found.prim_std_cell
    # Rounding makes cells that differ in the last bits between machines the same crystal.
    positions = np.round(np.array(cell.positions) % 1.0, 10) % 1.0
    return Crystal.make(cell.numbers, positions, np.round(np.array(cell.basis), 10))


def records() -> list[dict[str, Any]]:
    """Return pymatgen's records, {"snl": a structure's dict, "tags": names}."""
    library: list[dict[str, Any]] = prototype_data("aflow_prototypes")
    return library
