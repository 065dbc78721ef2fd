"""`benchmark`: what a campaign is worth, measured where the answer is known."""

from __future__ import annotations

import typer

from gnome_lite.cli.rediscover import rediscover

app = typer.Typer(help="Measure campaigns where the answer is known.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group even while it has one command."""


app.command()(rediscover)
