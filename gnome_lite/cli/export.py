"""`export`: the crystals that a query finds, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from gnome_lite.cli.common import Home, plural, print_line, say, settings_of, store_of
from gnome_lite.cli.query import with_filters
from gnome_lite.store.query import Query, StoredCrystal

FileFormat = Literal["cif", "poscar", "extxyz", "ase", "csv", "json", "ndjson"]


@with_filters
def export(
    wanted: Query,
    out: Annotated[
        Path | None, typer.Argument(help="Directory for cif and poscar, else a file. Default: crystals...")
    ] = None,
    format: Annotated[FileFormat, typer.Option("--format", "-f", help="Of the files.")] = "cif",
    reference: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="These reference phases instead, e.g. seed-0005feca.")
    ] = None,
    home: Home = None,
) -> None:
    """Write crystals of the store to files, chosen as by `query`; extxyz and ase carry energies and their level."""
    from gnome_lite.store.export import export as write

    crystals: Sequence[StoredCrystal]
    if reference:
        from gnome_lite.assemble.known_phases import find_reference
        from gnome_lite.store.reference_form import stored_form

        settings = settings_of(home)
        crystals = [stored_form(known.phase, known.place) for known in (find_reference(i, settings) for i in reference)]
    else:
        crystals = store_of(home).query(wanted)
    suffix = {"cif": "", "poscar": "", "ase": ".db"}.get(format, f".{format}")
    place = out if out is not None else Path(f"crystals{suffix}")
    paths = write(crystals, place, format)
    for path in paths:
        print_line(str(path))
    say(f"{plural(len(crystals))} written to {place}" if paths else "0 crystals, no file written")
