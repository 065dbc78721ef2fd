"""Structure types as crystallographers write them down: space group, cell, one line a Wyckoff site; as plain text.

The table is our own (`data/reported/README.md`). A type names roles by the elements of the compound that it is called
after; another compound takes the roles in the order of its formula: MgAl2O4's are Mg, Al and O, and CdIn2S4 puts Cd,
In and S there. Several sites may have one role.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.chemistry.space_groups import N_GROUPS, crystal_system
from gnome_lite.core.crystals import Crystal, atomic_number
from gnome_lite.core.errors import SourceError

SAME_SITE_ANG = 0.05
"""Images of a site closer than this are one: parameters are given to three or four digits."""
CELL_NUMBERS = {
    "cubic": ("a",), "hexagonal": ("a", "c"), "trigonal": ("a", "c"), "tetragonal": ("a", "c"),
    "orthorhombic": ("a", "b", "c"), "monoclinic": ("a", "b", "c", "beta"),
    "triclinic": ("a", "b", "c", "alpha", "beta", "gamma"),
}  # fmt: skip
"""What the cell of each crystal system lists, Å and degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class StructureType:
    """One structure type, as a primitive cell of the compound that it is called after.

    Attributes:
        name: its own, e.g. "olivine".
        roles: symbol and number of atoms a formula unit, in the order of the formula; e.g. (("Mg", 2), ("Si", 1), ...).
        space_group_number: 1..230.
        crystal: primitive cell.
    """

    name: str
    roles: tuple[tuple[str, int], ...]
    space_group_number: int
    crystal: Crystal

    @property
    def n_formula_units(self) -> int:
        """Formula units in the primitive cell."""
        return len(self.crystal) // sum(n for _, n in self.roles)

    def with_formula(self, formula: str) -> Crystal:
        """Return the crystal with the elements of another formula in the roles, in the type's own cell.

        Raises:
            ValueError: if the formula's numbers are not the type's, in its order.
        """
        tokens = formula_tokens(formula)
        if [n for _, n in tokens] != [n for _, n in self.roles]:
            wanted = "".join(f"{e}{n if n > 1 else ''}" for e, n in self.roles)
            raise ValueError(
                f"{formula} has no place in {self.name}: write it in the order and with the numbers of {wanted}"
            )
        table = np.arange(120)
        for (role, _), (element, _) in zip(self.roles, tokens, strict=True):
            table[atomic_number(role)] = atomic_number(element)
        return Crystal(table[self.crystal.numbers], self.crystal.frac_coords, self.crystal.lattice)


def formula_tokens(formula: str) -> list[tuple[str, int]]:
    """Return symbols and whole numbers of a formula without brackets, in its order: "MgAl2O4" -> Mg 1, Al 2, O 4.

    Raises:
        ValueError: if it is none.
    """
    if not re.fullmatch(r"([A-Z][a-z]?[0-9]*)+", formula):
        raise ValueError(f"{formula!r} is no formula of whole numbers without brackets")
    tokens = re.findall(r"([A-Z][a-z]?)([0-9]*)", formula)
    for element, _ in tokens:
        atomic_number(element)
    return [(element, int(n or 1)) for element, n in tokens]


def read_structure_types(folder: Path) -> dict[str, StructureType]:
    """Return the types of all files `*.toml` of a folder, by name.

    Raises:
        SourceError: naming file, type and what is wrong with it; if a name is twice.
    """
    types: dict[str, StructureType] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SourceError(f"cannot read {path}: {error}") from error
        for name, entry in entries.items():
            if name in types:
                raise SourceError(f"{path}: structure type {name} is there twice: name it once")
            try:
                types[name] = structure_type(name, entry)
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(f"{path}: structure type {name}: {error}") from error
    if not types:
        raise SourceError(f"{folder} holds no structure types: give files such as silicates.toml")
    return types


def structure_type(name: str, entry: Mapping[str, Any]) -> StructureType:
    """Make a type of its entry: `formula`, `space_group`, `cell`, `sites`, and `setting` where it is not the standard.

    Raises:
        ValueError: if a number is missing, a site has another multiplicity than its letter says, or the atoms are not
            those of the formula.
    """
    left_over = set(entry) - {"formula", "space_group", "setting", "cell", "sites", "note"}
    if left_over:
        raise ValueError(f"unknown {', '.join(sorted(left_over))}")
    number, roles = int(entry["space_group"]), formula_tokens(str(entry["formula"]))
    if not 1 <= number <= N_GROUPS:
        raise ValueError(f"there is no space group {number}")
    if len({e for e, _ in roles}) < len(roles):
        raise ValueError(f"{entry['formula']} names an element twice: give each role an element of its own")
    lattice = conventional_lattice(number, [float(x) for x in entry["cell"]])
    rotations, translations = operations(number, str(entry.get("setting", "")))
    symbols: list[str] = []
    images: list[NDArray[np.float64]] = []
    for line in entry["sites"]:
        role, wyckoff, *xyz = str(line).split()
        orbit = _orbit(np.array([_number(x) for x in xyz]), rotations, translations, lattice)
        expected = int("".join(c for c in wyckoff if c.isdigit()))
        if len(orbit) != expected:
            raise ValueError(f"site {line!r} has {len(orbit)} images, not {expected}: check setting and coordinates")
        symbols += [role] * len(orbit)
        images.append(orbit)
    counted = [symbols.count(e) for e, _ in roles]
    if sum(counted) != len(symbols) or len({n / m for n, (_, m) in zip(counted, roles, strict=True)}) > 1:
        found = " ".join(f"{e}{symbols.count(e)}" for e in dict.fromkeys(symbols))
        raise ValueError(f"the sites give {found}, not {entry['formula']}")
    cell = Crystal.make([atomic_number(s) for s in symbols], np.concatenate(images), lattice)
    return StructureType(name, tuple(roles), number, _primitive(cell, rotations, translations))


def conventional_lattice(number: int, cell: Sequence[float]) -> NDArray[np.float64]:
    """Return lattice vectors as rows, Å, of what the crystal system of a space group lists (see CELL_NUMBERS).

    Raises:
        ValueError: if it lists other numbers.
    """
    from pymatgen.core import Lattice

    system = crystal_system(number)
    wanted = CELL_NUMBERS[system]
    if len(cell) != len(wanted):
        raise ValueError(f"a {system} cell lists {', '.join(wanted)}: {len(cell)} numbers are given")
    n = dict(zip(wanted, cell, strict=True))
    a = n["a"]
    lengths = a, n.get("b", a), n.get("c", a)
    third = 120.0 if system in ("hexagonal", "trigonal") else n.get("gamma", 90.0)
    return np.array(Lattice.from_parameters(*lengths, n.get("alpha", 90.0), n.get("beta", 90.0), third).matrix)


@cache
def operations(number: int, setting: str = "") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all operations of the conventional cell: rotations [m, 3, 3], translations [m, 3].

    Args:
        number: 1..230.
        setting: "" is the standard one (unique axis b and cell choice 1, hexagonal axes, origin choice 2); else as in
            the list of Hall symbols: "b2" (P2_1/n), "cab" (Pbnm), "1" (origin choice 1) ...

    Raises:
        ValueError: if the group has no such setting.
    """
    import moyopy

    entries = [e for k in range(1, 531) if (e := moyopy.HallSymbolEntry(hall_number=k)).number == number]
    if setting:
        chosen = next((e for e in entries if str(e.setting) == setting), None)
        if chosen is None:
            raise ValueError(
                f"space group {number} has no setting {setting!r}: {', '.join(str(e.setting) or '-' for e in entries)}"
            )
        which = moyopy.Setting.hall_number(chosen.hall_number)
    else:
        which = moyopy.Setting.standard()
    found = moyopy.operations_from_number(number, setting=which, primitive=False)
    return np.array(found.rotations, dtype=np.float64), np.array(found.translations, dtype=np.float64)


def _number(text: str) -> float:
    """Return a coordinate, which may be a fraction such as 1/3."""
    above, _, below = text.partition("/")
    return float(above) / float(below) if below else float(above)


def _orbit(
    xyz: NDArray[np.float64],
    rotations: NDArray[np.float64],
    translations: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the distinct images of a point in the conventional cell, fractions in [0, 1), [n, 3]."""
    images = (rotations @ xyz + translations) % 1.0
    between = images[:, None] - images
    between -= np.rint(between)  # images that are one differ by little of any lattice vector
    same = np.linalg.norm(between @ lattice, axis=2) < SAME_SITE_ANG
    return images[np.unique(same.argmax(axis=1))]


def _primitive(cell: Crystal, rotations: NDArray[np.float64], translations: NDArray[np.float64]) -> Crystal:
    """Return a primitive cell by the group's own centring."""
    from pymatgen.core import Structure

    centring = translations[(rotations == np.eye(3)).all(axis=(1, 2))]
    if len(centring) == 1:
        return cell
    structure: Structure = cell.to_pymatgen().get_primitive_structure(tolerance=SAME_SITE_ANG, use_site_props=False)
    return Crystal.from_pymatgen(structure)
