"""The project's own table of reported compounds: formula, structure type, name; plain text in `data/reported`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gnome_lite.chemistry.volume import volume_from_radii
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import open_table
from gnome_lite.core.origins import REPORTED
from gnome_lite.sources.structure_types import StructureType, read_structure_types

MAX_BYTES, MAX_ROW_CHARACTERS = 20_000_000, 1_000
COLUMNS = ("formula", "structure_type", "name", "volume")
POSSIBLE_ANG3_PER_ATOM, USUAL_ANG3_PER_ATOM = (5.0, 70.0), 12.0


@dataclass(frozen=True, slots=True, eq=False)
class TableEntry:
    """One line of the table.

    Attributes:
        where: file and line.
        formula: as written, in the order of the type's roles.
        name: of the mineral or form; "" where it has none.
        volume_ang3: reported, of one formula unit; None where it is not known for sure.
        crystal: the type's coordinates with these elements, primitive, at the reported or an estimated volume.
    """

    where: str
    formula: str
    structure_type: StructureType
    name: str
    volume_ang3: float | None
    crystal: Crystal

    @property
    def source(self) -> str:
        """What its phase says of itself: "reported: forsterite, olivine type"."""
        kind = f"{self.structure_type.name} type"
        return f"{REPORTED}: {self.name}, {kind}" if self.name else f"{REPORTED}: {kind}"


def read_table(folder: Path) -> list[TableEntry]:
    """Read `structure_types/*.toml` and `compounds/*.csv` of a folder; a line that is there twice counts once.

    Raises:
        SourceError: naming file and line that no crystal can be made of.
    """
    types = read_structure_types(folder / "structure_types")
    entries: dict[tuple[str, str], TableEntry] = {}
    for path in sorted((folder / "compounds").glob("*.csv")):
        try:
            for entry in _entries(path, types):
                entries.setdefault((entry.crystal.reduced_formula, entry.structure_type.name), entry)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"cannot read {path}: {error}; give a CSV table in UTF-8") from error
    if not entries:
        raise SourceError(f"{folder} holds no compounds: give files such as compounds/silicates.csv")
    return list(entries.values())


def _entries(path: Path, types: Mapping[str, StructureType]) -> Iterator[TableEntry]:
    with open_table(path, MAX_BYTES, MAX_ROW_CHARACTERS) as table:
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise SourceError(f"{path} has columns {table.fieldnames}: name them {','.join(COLUMNS)}")
        for number, row in enumerate(table, 2):
            try:
                yield _entry(f"{path.name}, line {number}", row, types)
            except ValueError as error:
                raise SourceError(f"{path}, line {number}: {error}") from error


def _entry(where: str, row: Mapping[str, str], types: Mapping[str, StructureType]) -> TableEntry:
    kind = types.get(row["structure_type"])
    if kind is None:
        raise ValueError(f"there is no structure type {row['structure_type']!r}")
    volume = float(row["volume"]) if row["volume"] else None
    if volume is not None and not 0 < volume < math.inf:
        raise ValueError(f"a volume of {row['volume']} Å^3 is none")
    crystal = kind.with_formula(row["formula"])
    wanted = volume * kind.n_formula_units if volume else _estimated(crystal, kind.crystal)
    scaled = Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * (wanted / crystal.volume) ** (1 / 3))
    return TableEntry(where, row["formula"], kind, row["name"], volume, scaled)


def _estimated(crystal: Crystal, of_type: Crystal) -> float:
    """Return the volume of the type's own compound, scaled by what radii say of the two, Å^3.

    Where that is no crystal's (hydrogen in the place of chlorine has no radius to speak of), a usual volume is taken.
    """
    ours, theirs = (float(volume_from_radii(c.counts[None])[0]) for c in (crystal, of_type))
    scaled = of_type.volume * ours / theirs
    low, high = (len(crystal) * v for v in POSSIBLE_ANG3_PER_ATOM)
    return scaled if low <= scaled <= high else len(crystal) * USUAL_ANG3_PER_ATOM
