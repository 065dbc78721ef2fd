"""What several commands share: options, the store and its phases, and what is printed where.

Whatever a command prints goes through here: formulas, names and messages may come from stores and files of others, and
a terminal obeys the control characters in them. They are shown escaped.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.core.plain_text import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.pipeline import Progress
    from gnome_lite.settings import Settings
    from gnome_lite.store.database import SqlStore

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where store and models lie. Default: GNOME_LITE_HOME or data/local."),
]
References = Annotated[
    Path | None, typer.Option("--references", metavar="DIR", help="A release, in place of the campaign's references.")
]
Temperature = Annotated[
    float | None, typer.Option(metavar="K", help="Free energies of the gases in air at this temperature.")
]
CampaignFile = Annotated[Path | None, typer.Argument(help="campaign.toml. Default: the bundled campaign.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run the code that the campaign file names, from now on in this home.")
]
FORMAT = typer.Option("--format", "-f", help="Of the output.")
PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe: wide enough to cut nothing."""


def settings_of(home: Path | None) -> Settings:
    """Return the settings from the environment, with another home if one is named."""
    from gnome_lite.settings import Settings

    return Settings.at(home)


def keyword_arguments(words: list[str]) -> dict[str, Any]:
    """Return the calculator's keyword arguments; each value is TOML, or else plain text."""
    from gnome_lite.core.errors import ConfigError

    arguments: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise ConfigError(f"--set {word}: write KEY=VALUE, e.g. --set ecut_ev=500")
        try:
            arguments[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            arguments[key] = value
    return arguments


def config_of(campaign: Path | None) -> CampaignConfig:
    """Return the settings of a campaign file; without a file, of the bundled campaign.

    Raises:
        ConfigError: naming the file and the setting.
    """
    from gnome_lite.config import CampaignConfig

    return CampaignConfig.from_toml(campaign) if campaign is not None else CampaignConfig()


def remember(config: CampaignConfig, settings: Settings, trust: bool) -> None:
    """Remember in the home, if `--trust` is given, that the code which the user's campaign file names may run."""
    from gnome_lite.assemble import remember_trust

    for title in remember_trust(config, settings) if trust else ():
        say(f"trusted from now on: {title}")


def store_of(home: Path | None) -> SqlStore:
    """Return the store of a home.

    Raises:
        StoreError: if there is none.
    """
    from gnome_lite.store.database import SqlStore  # not by `assemble`: a query waits for every import

    return SqlStore.open(settings_of(home).store_url, create=False)


def phases_of(home: Path | None, campaign: str | None = None, references: Path | None = None) -> PhaseSet:
    """Return all phases at the level of a campaign or a release.

    Raises:
        GnomeLiteError: if it cannot be had.
    """
    from gnome_lite.assemble import open_phases

    return open_phases(settings_of(home), campaign, references)


def split_list(text: str | None) -> tuple[str, ...]:
    """Return the parts of a list such as "Li,O" (spaces allowed)."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def split_system(system: str) -> tuple[str, ...]:
    """Return the different elements of a chemical system such as "Li-Fe-O", in its order.

    Raises:
        ConfigError: if one of them is no element.
    """
    from gnome_lite.core.crystals import atomic_number
    from gnome_lite.core.errors import ConfigError

    elements = tuple(dict.fromkeys(part.strip() for part in system.split("-")))
    try:
        for element in elements:
            atomic_number(element)
    except ValueError as error:
        raise ConfigError(f"chemical system {system!r}: {error}; write e.g. Mg-O") from error
    return elements


def show_progress() -> AbstractContextManager[Progress]:
    """Return a context in which progress is shown on stderr."""
    from gnome_lite.report.progress import progress_on

    return progress_on(sys.stderr)


@contextmanager
def local_prefect(settings: Settings, debug: bool) -> Iterator[Callable[..., Any]]:
    """Run a Prefect server for the length of a command; yield what calls a flow, with its progress on stderr."""
    from flows.local import local_server, prepare_environment

    prepare_environment(settings, debug)
    with show_progress() as progress:
        progress("prefect", 0, 0, "starting")
        from flows.calling import call
        from flows.discovery import showing

        with local_server() as missing, showing(progress):
            yield partial(call, missing=missing)


def print_drawn(drawn: RenderableType) -> None:
    """Print a table or tree of Rich: colours and the width of a terminal, plain and wide elsewhere."""
    _console().print(drawn)


def print_line(text: str, style: str | None = None) -> None:
    """Print one line on stdout."""
    _console().print(printable(text), style=style, soft_wrap=True)


def print_section(title: str) -> None:
    """Print an empty line and a title."""
    print_line("")
    print_line(title, style="bold")


def print_lines(text: str) -> None:
    """Print text of any number of lines on stdout: a document that the program wrote, such as CSV."""
    print(printable_lines(text), end="" if text.endswith("\n") or not text else "\n")


def print_table(
    names: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = (), wrapped: Sequence[str] = ()
) -> None:
    """Print rows of cells under their columns' names.

    Args:
        names: of the columns.
        rows: one cell a column each.
        right: columns that are aligned to the right.
        wrapped: columns whose cells may take several lines.
    """
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False, box=None)
    for name in names:
        justify: Any = "right" if name in right else "left"
        table.add_column(name, justify=justify, no_wrap=name not in wrapped, overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    print_drawn(table)


def print_json(value: Any, indent: int | None = 1) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=indent))


def print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as CSV; the items of a list are joined by "; "."""
    import csv

    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = {k: "; ".join(v) if isinstance(v, list) else v for k, v in row.items()}
        writer.writerow({k: printable(v) if isinstance(v, str) else v for k, v in plain.items()})


def counted(counts: Mapping[str, int]) -> str:
    """Return counts as text, e.g. "too close 3, not balanced 1"."""
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed digits, "-" for None; never "-0.000"."""
    return "-" if value is None else f"{value:.{digits}f}".replace(f"-{0:.{digits}f}", f"{0:.{digits}f}")


def yes_no(value: bool | None) -> str:
    """Return "yes", "no", or "-" for None."""
    return "-" if value is None else "yes" if value else "no"


def plural(n: int) -> str:
    """Return a number of crystals in words, e.g. "1 crystal"."""
    return f"{n} crystal{'' if n == 1 else 's'}"


def say(text: str) -> None:
    """Print a message on stderr: for the person, not for the pipe."""
    print(printable(text), file=sys.stderr)


def _console() -> Console:
    from rich.console import Console

    # No markup, no emoji: "[/]" and ":x:" in a name are its own.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, soft_wrap=False, markup=False, emoji=False, highlight=False)
