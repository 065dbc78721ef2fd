"""What several commands share: where the store is, and consoles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.settings import Settings
    from gnome_lite.store.database import SqlStore

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where store and models lie. Default: GNOME_LITE_HOME or data/local."),
]
References = Annotated[
    Path | None, typer.Option("--references", metavar="DIR", help="A release, in place of the campaign's references.")
]
PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe: wide enough to cut nothing."""


def settings_of(home: Path | None) -> Settings:
    """Settings from the environment, with another home if one was named."""
    from gnome_lite.settings import Settings

    return Settings(home=home) if home is not None else Settings()


def store_of(home: Path | None) -> SqlStore:
    """The store that exists there.

    Raises:
        StoreError: if there is none.
    """
    from gnome_lite.assemble import open_store

    return open_store(settings_of(home))


def phases_of(home: Path | None, campaign: str | None = None, references: Path | None = None) -> PhaseSet:
    """Return all phases at the level of a campaign or a release.

    Raises:
        GnomeLiteError: if it cannot be had.
    """
    from gnome_lite.assemble import open_phases

    return open_phases(settings_of(home), campaign, references)


def console() -> Console:
    """Rich on stdout: colours and the width of a terminal, plain and wide elsewhere."""
    from rich.console import Console

    return Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def split_list(text: str | None) -> tuple[str, ...]:
    """Symbols from "Li,O" (spaces allowed)."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def say(text: str) -> None:
    """A line for the person, not for the pipe."""
    print(text, file=sys.stderr)
