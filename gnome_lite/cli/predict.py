"""`predict`: formation energy, spread and energy above hull of crystals in files, without relaxing them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gnome_lite.cli.common import Home, console, say, settings_of
from gnome_lite.cli.query import number


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def predict(
    files: Annotated[list[Path], typer.Argument(help="CIF, POSCAR, extxyz, ASE db or pymatgen JSON files.")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TABLE,
    level: Annotated[str | None, typer.Option(help="Level of theory. Default: that of the bundled crystals.")] = None,
    home: Home = None,
) -> None:
    """Predict energies and distances to the hull.

    The networks predict the energy *after* relaxation, with the spread of the ensemble. There is a hull at the level of
    the bundled crystals only; level mp-GGA_GGA+U-MP2020 gives formation energies on the Materials Project's scale.
    """
    from gnome_lite.assemble.notebook import predict_crystals
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.report.progress import progress_on
    from gnome_lite.sources.files import read_crystals

    read = [(path, found) for path in files for found in read_crystals(path)]
    crystals = CrystalBatch.from_crystals(found.crystal for _, found in read)
    with progress_on(sys.stderr) as progress:
        predicted, of = predict_crystals(crystals, level, settings_of(home), progress)
    rows = [
        {"file": str(path), "name": found.name, **asdict(row)}
        for (path, found), row in zip(read, predicted, strict=True)
    ]
    if format is Format.JSON:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    elif format is Format.CSV:
        _print_csv(rows)
    else:
        _print_table(rows)
    say(f"{len(rows)} crystals; eV/atom at level {of}")


def _print_csv(rows: Sequence[dict[str, Any]]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["file"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False, box=None)
    for name in ("file", "crystal", "formula"):
        table.add_column(name, overflow="fold")
    for name in ("formation", "spread", "above hull", "P(stable)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        file, name, formula, e_form, spread, above, p_stable, note = row.values()
        table.add_row(file, name, formula, number(e_form), number(spread), number(above), number(p_stable, 2), note)
    console().print(table)
