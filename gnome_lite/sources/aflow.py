"""The AFLOW prototypes that pymatgen ships, with the compositions they were first reported in.

Source: M. J. Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi 10.1016/j.commatsci.2017.01.017. Of the 288
prototypes pymatgen carries, each is given as the *reported* crystal (halite is NaCl at 5.63 Å), so volumes are
experimental, but for the few marked high-pressure or theoretical; they are starting points for relaxation.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gnome_lite.chemistry.elements import CHGNET_MAX_Z
from gnome_lite.chemistry.symmetry import symmetry
from gnome_lite.core.crystals import Crystal, atomic_number
from gnome_lite.core.errors import SourceError


@dataclass(frozen=True, slots=True, eq=False)
class Prototype:
    """One prototype as a primitive cell.

    Attributes:
        id: "aflow-" + the AFLOW label + its reported formula, unique.
        name: mineral or common name, else the Strukturbericht designation, else the label.
        aflow: AFLOW label, e.g. "AB_cF8_225_a_b".
    """

    id: str
    crystal: Crystal
    name: str
    aflow: str


def prototypes(max_atoms: int = 20) -> list[Prototype]:
    """Prototypes of at most `max_atoms` atoms in the primitive cell, ordered by id, one of each kind.

    The same label with the same formula is one prototype (the first listed is kept); the same label with
    another formula is another crystal and stays.

    Raises:
        SourceError: if pymatgen no longer ships the library.
    """
    return [p for p in library() if len(p.crystal) <= max_atoms and p.crystal.numbers.max() <= CHGNET_MAX_Z]


@cache
def library() -> tuple[Prototype, ...]:
    """All prototypes of whatever size and elements, ordered by id."""
    kept: dict[str, Prototype] = {}
    for record in records():
        crystal, tags = primitive(_crystal(record["snl"])), record["tags"]
        name = next((tags[k] for k in ("mineral", "strukturbericht") if tags[k] not in ("", "None")), tags["aflow"])
        key = re.sub(r"[^A-Za-z0-9_.-]", "", f"aflow-{tags['aflow']}-{crystal.reduced_formula}")
        kept.setdefault(key, Prototype(key, crystal, str(name), str(tags["aflow"])))
    return tuple(kept[key] for key in sorted(kept))


def primitive(crystal: Crystal, symprec: float = 0.01) -> Crystal:
    """The standard primitive cell, symmetrised; the crystal itself where its symmetry cannot be found."""
    found = symmetry(crystal, symprec)
    if found is None:
        return crystal
    cell = found.prim_std_cell
    # Rounding makes cells that differ in the last bits between machines the same crystal.
    positions = np.round(np.array(cell.positions) % 1.0, 10) % 1.0
    return Crystal.make(cell.numbers, positions, np.round(np.array(cell.basis), 10))


def records() -> list[dict[str, Any]]:
    """pymatgen's file as plain JSON: {"snl": a structure's dict, "tags": names}. Its module takes 5 s to import."""
    spec = find_spec("pymatgen.analysis")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "prototypes" / "aflow_prototypes.json.gz"
        if path.is_file():
            library: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
            return library
    raise SourceError("pymatgen ships no aflow_prototypes.json.gz here: install pymatgen >= 2025.10.7")


def _crystal(snl: dict[str, Any]) -> Crystal:
    sites = snl["sites"]
    return Crystal.make(
        [atomic_number(site["species"][0]["element"]) for site in sites],
        [site["abc"] for site in sites],
        snl["lattice"]["matrix"],
    )
