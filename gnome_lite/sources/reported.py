"""A user's list of experimentally reported compounds: a directory of structure files, one file, or a CSV."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gnome_lite.chemistry.space_groups import number_of
from gnome_lite.core.crystals import Crystal, formula_counts, reduced_formula
from gnome_lite.core.errors import ConfigError, SourceError
from gnome_lite.core.limited import open_table
from gnome_lite.sources.files import crystal_files, read_files

MAX_BYTES, MAX_ROW_CHARACTERS = 200_000_000, 100_000
FORMULA = ("formula", "reduced formula", "composition", "formula_pretty")
GROUP = ("space_group", "space group", "space group number", "space_group_number", "spacegroup", "sg")
NAME = ("id", "name", "materialid", "code", "collectioncode")


@dataclass(frozen=True, slots=True, eq=False)
class ReportedCompound:
    """One compound of the list.

    Attributes:
        name: id in the list, else the file or line.
        formula: reduced formula.
        space_group_number: None where the list gives none.
        crystal: None where it gives a formula only.
    """

    name: str
    formula: str
    space_group_number: int | None
    crystal: Crystal | None


def read_reported(path: Path) -> tuple[list[ReportedCompound], Counter[str]]:
    """Return the entries of a list that can be used, and how many cannot, by cause.

    Raises:
        SourceError: if there is no such file or directory, or nothing in it can be used.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"there is no list {path}: give a CSV of formulas, a structure file, or a directory of them")
    found, skipped = _table(path) if path.suffix.lower() == ".csv" else _structures(path)
    if not found:
        why = f" ({', '.join(f'{cause} {n}' for cause, n in skipped.most_common(3))})" if skipped else ""
        raise SourceError(f"{path} holds no compound that can be used{why}: give formulas, or ordered structures")
    return found, skipped


def _table(path: Path) -> tuple[list[ReportedCompound], Counter[str]]:
    found: list[ReportedCompound] = []
    skipped: Counter[str] = Counter()
    try:
        with open_table(path, MAX_BYTES, MAX_ROW_CHARACTERS) as table:
            columns = {name.strip().lower(): name for name in table.fieldnames or () if name}
            which = [next((columns[c] for c in names if c in columns), None) for names in (FORMULA, GROUP, NAME)]
            if which[0] is None:
                raise SourceError(f"{path} has no column {FORMULA[0]!r}: name one so (and {GROUP[0]!r}, if known)")
            for number, row in enumerate(table, 2):
                formula, group, name = ((row[column] or "").strip() if column else "" for column in which)
                try:
                    reduced = reduced_formula(formula_counts(formula))
                    space_group = number_of(group) if group else None
                except ValueError:
                    skipped["no formula of whole numbers"] += 1
                except ConfigError:
                    skipped["unknown space group"] += 1
                else:
                    found.append(ReportedCompound(name or f"line {number}", reduced, space_group, None))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot read {path}: {why}; give a CSV table in UTF-8") from error
    return found, skipped


def _structures(path: Path) -> tuple[list[ReportedCompound], Counter[str]]:
    files = crystal_files([path])
    found: list[ReportedCompound] = []
    skipped: Counter[str] = Counter()
    for (file, _, listed), (_, crystals, wrong) in zip(files, read_files(f.path for f in files), strict=True):
        if wrong and not listed:
            raise SourceError(wrong)
        if wrong:
            skipped[wrong.removeprefix(f"{file} ").split(":")[0][:60]] += 1
        for c in crystals:
            label = f"{file.name}:{c.name}" if len(crystals) > 1 else file.name
            found.append(ReportedCompound(label, c.crystal.reduced_formula, None, c.crystal))
    return found, skipped
