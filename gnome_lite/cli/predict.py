"""`predict`: formation energy, spread and energy above hull of crystals in files, without relaxing them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from gnome_lite.cli.common import Home, number, print_csv, print_json, print_table, say, settings_of, show_progress

COUNTS = ("reported", "hypothetical")
"""Columns of the reference compounds that a distance to the hull rests on."""


def predict(
    files: Annotated[list[Path], typer.Argument(help="CIF, POSCAR, extxyz, ASE db, pymatgen JSON; or folders.")],
    format: Annotated[Literal["table", "json", "csv"], typer.Option("--format", "-f", help="Output format.")] = "table",
    level: Annotated[str | None, typer.Option(help="Level of theory. Default: that of the bundled crystals.")] = None,
    home: Home = None,
) -> None:
    """Predict energies and distances to the hull.

    The networks predict the energy *after* relaxation, with the spread of the ensemble. There is a hull at the level of
    the bundled crystals only; level mp-GGA_GGA+U-MP2020 gives formation energies on the Materials Project's scale.
    """
    from gnome_lite.assemble.notebook import predict_crystals
    from gnome_lite.core.crystals import CrystalBatch
    from gnome_lite.sources.files import crystal_files, read_all

    read = [(file.path, found) for file, found in read_all(crystal_files(files))]
    crystals = CrystalBatch.from_crystals(found.crystal for _, found in read)
    with show_progress() as progress:
        predicted, of = predict_crystals(crystals, level, settings_of(home), progress)
    rows = [
        {"file": str(path), "name": found.name, **asdict(row)}
        for (path, found), row in zip(read, predicted, strict=True)
    ]
    if format == "json":
        print_json(rows)
    elif format == "csv":
        print_csv(list(rows[0]) if rows else ["file"], rows)
    else:
        names, numbers = ("file", "crystal", "formula"), ("formation", "spread", "above hull", "P(stable)", *COUNTS)
        cells = []
        for row in rows:
            file, name, formula, e_form, spread, above, p_stable, note, *counts = row.values()
            energies = (number(x) for x in (e_form, spread, above))
            cells.append((file, name, formula, *energies, number(p_stable, 2), *(number(n, 0) for n in counts), note))
        print_table((*names, *numbers, ""), cells, right=numbers, wrapped=(*names, ""))
    say(f"{len(rows)} crystals; eV/atom at level {of}")
    if any(row["n_reported"] is not None for row in rows):
        say(f"{' and '.join(COUNTS)}: reference compounds within the crystal's chemical system")
