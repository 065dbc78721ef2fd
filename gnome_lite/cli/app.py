"""The commands of `gnome-lite`, gathered. Each lives in a file of its own and imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gnome_lite.cli import (
    analyse,
    ask,
    benchmark,
    export,
    finetune,
    generate,
    match,
    plot,
    predict,
    query,
    reevaluate,
    references,
    release,
    run,
    seed,
    show,
    status,
    store,
    synthesis,
    train,
)
from gnome_lite.cli.common import print_lines

app = typer.Typer(
    help="Find stable inorganic crystals: generate, predict, relax, place on a hull, keep, learn.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True, add_help_option=False)
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and Prefect's logs.")] = False,
    # Typer's own option, where it is not given, imports pydantic: half of the time that `query --help` takes.
    show_help: Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.")] = False,
) -> None:
    """Show the help, where no command or `--help` is given."""
    if show_help or context.invoked_subcommand is None:
        print_lines(context.get_help())
        raise typer.Exit


for command in (
    run.init, run.run, generate.generate, query.query, show.show, analyse.analyse, synthesis.synthesis, match.match,
    plot.plot, reevaluate.reevaluate, export.export, release.release, predict.predict, train.train,
    ask.ask, ask.tell, finetune.finetune, status.status,
):  # fmt: skip
    app.command()(command)
app.add_typer(references.app, name="references")
app.add_typer(seed.app, name="seed")
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(store.app, name="store")


@app.command()
def version() -> None:
    """Print the version."""
    from gnome_lite import __version__

    print_lines(__version__)
