"""`export`: the crystals that a query finds, as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gnome_lite.cli import query as q
from gnome_lite.cli.common import Home, say, store_of


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


def export(
    out: Annotated[
        Path | None, typer.Argument(help="Directory for cif and poscar, else a file. Default: crystals...")
    ] = None,
    format: Annotated[FileFormat, typer.Option("--format", "-f", help="Of the files.")] = FileFormat.CIF,
    elements: q.Elements = None,
    only: q.Only = None,
    exclude: q.Exclude = None,
    chemsys: q.Chemsys = None,
    formula: q.Formula = None,
    e_hull_max: q.EHullMax = None,
    stable: q.Stable = False,
    nsites: q.NSites = None,
    sg: q.SpaceGroup = None,
    prototype: q.Prototype = None,
    novel: q.Novel = None,
    suspect: q.Suspect = None,
    campaign: q.Campaign = None,
    round: q.Round = None,
    unverified: q.Unverified = False,
    sort: q.Sort = "e_above_hull",
    limit: q.Limit = None,
    home: Home = None,
) -> None:
    """Write crystals of the store to files, chosen as by `query`."""
    from gnome_lite.store.export import export as write

    wanted = q.make_query(
        elements, only, exclude, chemsys, formula, e_hull_max, stable, nsites, sg, prototype, novel, suspect, campaign,
        round, unverified, sort, limit,
    )  # fmt: skip
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
