"""`store check` and `store backup`: whether the store is as it was written, and a copy of it that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnome_lite.cli.common import Home, print_table, say, settings_of, show_progress

app = typer.Typer(help="Check the store, or back it up.", no_args_is_help=True)


@app.command()
def check(home: Home = None) -> None:
    """Read the whole store and list what is not as it was written; exit code 2 if anything is not."""
    from gnome_lite.core.errors import StoreError
    from gnome_lite.store.check import check as faults_of
    from gnome_lite.store.connection import parse_url
    from gnome_lite.store.opening import open_database

    database = open_database(parse_url(settings_of(home).store_url), create=False, whole=False)
    with show_progress() as progress:
        faults = faults_of(database, progress)
    if faults:
        print_table(("table", "row", "what is wrong", "what to do"), sorted(faults), wrapped=["what is wrong"])
        raise StoreError(
            f"store {database.name} is damaged in {len(faults)} places: do as the table says, or `gnome-lite run` anew"
        )
    say(f"store {database.name} is as it was written")


@app.command()
def backup(
    to: Annotated[Path | None, typer.Argument(help="The copy. Default: beside the store, with the time.")] = None,
    home: Home = None,
) -> None:
    """Copy the store to a file, also while a campaign runs; the copy is checked before it gets its name."""
    from datetime import datetime

    from gnome_lite.store.backup import back_up
    from gnome_lite.store.connection import parse_url
    from gnome_lite.store.opening import open_database

    database = open_database(parse_url(settings_of(home).store_url), create=False)
    beside = Path(f"{database.name}.{datetime.now():%Y%m%d-%H%M%S}.bak")
    with show_progress() as progress:
        back_up(database, to or beside, progress)
    typer.echo(to or beside)
