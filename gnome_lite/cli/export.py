"""`export`: the crystals that a query finds, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gnome_lite.cli.common import Home, plural, print_line, say, store_of
from gnome_lite.cli.query import with_filters
from gnome_lite.store.query import Query

FileFormat = Literal["cif", "poscar", "extxyz", "ase", "csv", "json", "ndjson"]


@with_filters
def export(
    wanted: Query,
    out: Annotated[
        Path | None, typer.Argument(help="Directory for cif and poscar, else a file. Default: crystals...")
    ] = None,
    format: Annotated[FileFormat, typer.Option("--format", "-f", help="Of the files.")] = "cif",
    home: Home = None,
) -> None:
    """Write crystals of the store to files, chosen as by `query`."""
    from gnome_lite.store.export import export as write

    crystals = store_of(home).query(wanted)
    suffix = {"cif": "", "poscar": "", "ase": ".db"}.get(format, f".{format}")
    place = out if out is not None else Path(f"crystals{suffix}")
    paths = write(crystals, place, format)
    for path in paths:
        print_line(str(path))
    say(f"{plural(len(crystals))} written to {place}" if paths else "0 crystals, no file written")
