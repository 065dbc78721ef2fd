"""`store check` and `store backup`: whether the store is as it was written, and a copy of it that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, print_line, print_table, say, settings_of, show_progress, store_of

if TYPE_CHECKING:
    from gnome_lite.store.check import Fault

app = typer.Typer(help="Check the store, or back it up.", no_args_is_help=True)


@app.command()
def check(
    hulls: Annotated[
        bool, typer.Option("--hulls", help="Also look up verdicts again, in the hulls they rest on.")
    ] = False,
    home: Home = None,
) -> None:
    """Read the whole store and list what is not as it was written; exit code 2 if anything is not."""
    from gnome_lite.core.errors import StoreError
    from gnome_lite.store.check import check as faults_of
    from gnome_lite.store.connection import parse_url
    from gnome_lite.store.opening import open_database

    database = open_database(parse_url(settings_of(home).store_url), create=False, whole=False)
    with show_progress() as progress:
        faults = faults_of(database, progress)
    if hulls and not faults:
        faults = _contradicted(home)
    if faults:
        print_table(("table", "row", "what is wrong", "what to do"), sorted(faults), wrapped=["what is wrong"])
        raise StoreError(
            f"store {database.name} is damaged in {len(faults)} places: do as the table says, or `gnome-lite run` anew"
        )
    say(f"store {database.name} is as it was written")


def _contradicted(home: Path | None) -> list[Fault]:
    """Return the verdicts that their hulls contradict, of the campaigns whose references can be had."""
    from gnome_lite.assemble import contradicted_verdicts
    from gnome_lite.core.errors import GnomeLiteError
    from gnome_lite.store.check import RESTORE, Fault

    faults, store = [], store_of(home)
    for campaign in store.status().campaigns:
        try:
            verdicts = contradicted_verdicts(campaign.name, store, settings_of(home))
        except GnomeLiteError as error:
            say(f"campaign {campaign.name}: verdicts not looked up again ({error})")
            continue
        faults += [Fault("verdict", v.candidate_id, f"is not what hull {v.hull_id} gives", RESTORE) for v in verdicts]
    return faults


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
    print_line(str(to or beside))
