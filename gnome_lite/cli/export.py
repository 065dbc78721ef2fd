"""`export`: the crystals that a query finds, as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gnome_lite.cli.common import Home, say, store_of
from gnome_lite.cli.query import with_filters
from gnome_lite.store.query import Query


class FileFormat(StrEnum):
    CIF = "cif"
    POSCAR = "poscar"
    EXTXYZ = "extxyz"
    ASE = "ase"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


_PLACES = {
    FileFormat.CIF: "crystals", FileFormat.POSCAR: "crystals", FileFormat.EXTXYZ: "crystals.extxyz",
    FileFormat.ASE: "crystals.db", FileFormat.CSV: "crystals.csv", FileFormat.JSON: "crystals.json",
    FileFormat.NDJSON: "crystals.ndjson",
}  # fmt: skip


@with_filters
def export(
    wanted: Query,
    out: Annotated[
        Path | None, typer.Argument(help="Directory for cif and poscar, else a file. Default: crystals...")
    ] = None,
    format: Annotated[FileFormat, typer.Option("--format", "-f", help="Of the files.")] = FileFormat.CIF,
    home: Home = None,
) -> None:
    """Write crystals of the store to files, chosen as by `query`."""
    from gnome_lite.store.export import export as write

    found = store_of(home).query(wanted)
    place = out if out is not None else Path(_PLACES[format])
    paths = write(found, place, format.value)
    for path in paths:
        typer.echo(path)
    say(
        f"{len(found)} crystal{'' if len(found) == 1 else 's'} written to {place}"
        if paths
        else "0 crystals, no file written"
    )
