"""`references`: references of one's own at a campaign's level, as sets in the home that a campaign names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import (
    Home,
    Trust,
    config_of,
    plural,
    print_line,
    print_table,
    remember,
    say,
    settings_of,
    show_progress,
)
from gnome_lite.cli.references_compute import compute
from gnome_lite.cli.show_reference import show_reference

if TYPE_CHECKING:
    from collections.abc import Sequence


app = typer.Typer(help="References of your own, at a campaign's level of theory.", no_args_is_help=True)
app.command()(compute)

SHOWN = 20
"""So many of the files and crystals that were left out are named."""
Name = Annotated[str, typer.Argument(help="Name of a set.")]


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="DIR|FILE...", help="CIF, POSCAR, extxyz, ASE db, JSON.")],
    name: Annotated[str | None, typer.Option(help="Of the set. Default: that of the folder or file.")] = None,
    campaign: Annotated[
        Path | None, typer.Option(help="campaign.toml, whose calculator relaxes. Default: the bundled campaign.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the crystals.")] = "not stated",
    reported: Annotated[bool, typer.Option("--reported", help="The compounds have been made by somebody.")] = False,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Make crystals references of a campaign: relax them, unless they have an energy of its level.

    What is known already is not relaxed. A killed call goes on when it is given again.
    """
    from gnome_lite.assemble import level_of
    from gnome_lite.assemble.reference_sets import add_references, read_given, set_file
    from gnome_lite.assemble.references import other_references

    config, settings = config_of(campaign), settings_of(home)
    chosen = _set_name(name, paths[0])
    remember(config, settings, trust)
    level = level_of(config, settings)
    with show_progress() as progress:
        given, wrong = read_given(paths, licence, reported, progress)
        known = other_references(config, settings, level, but=chosen)
        made = add_references(chosen, given, known, level, config, settings, progress)
    _left_out("file that cannot be read", list(wrong.values()))
    _left_out("not computed", [f"{who}: {why}" for who, why in made.failed])
    print_line(
        f"{plural(len(given))} read: {made.relaxed - len(made.failed)} relaxed, {made.as_given} with an energy of "
        f"{level}, {len(made.same)} known already or given twice, {len(made.failed)} failed"
    )
    print_line(f"{plural(len(made.phases))} at level {level} in {set_file(settings, level, chosen)}")
    if chosen not in config.sources.added:
        print_line(f'use them: sources.added = ["{chosen}"]')


@app.command(name="list")
def list_sets(home: Home = None) -> None:
    """List the sets of a home."""
    from gnome_lite.assemble.reference_sets import named_sets

    rows = []
    for found in named_sets(settings_of(home)):
        phases = found.read()
        elements = sorted({e for p in phases for e in p.crystal.chemical_system.split("-")})
        rows.append((found.name, phases[0].level, str(len(phases)), " ".join(elements)))
    print_table(("name", "level", "phases", "elements"), rows, right=("phases",), wrapped=("elements",))


@app.command()
def info(name: Name, home: Home = None) -> None:
    """Describe a set: its phases, where they come from and their licences."""
    from gnome_lite.assemble.reference_sets import named_sets

    for found in named_sets(settings_of(home), name):
        phases = found.read()
        print_line(f"{found.name}: {len(phases)} phases at level {phases[0].level}, {found.path}", style="bold")
        origins = Counter((p.source.partition(":")[0].partition(";")[0], p.licence) for p in phases)
        for (source, licence), n in origins.most_common(SHOWN):
            print_line(f"{n:6d}  {source}  ({licence})")
        rows = [
            (p.id, p.crystal.reduced_formula, str(len(p.crystal)), f"{p.energy_ev_per_atom:.4f}", p.source)
            for p in phases
        ]
        print_table(("id", "formula", "sites", "eV/atom", "source"), rows, ("sites", "eV/atom"), ("source",))


@app.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a reference, or its beginning.")], home: Home = None
) -> None:
    """Print everything known of one reference."""
    show_reference(id, home)


@app.command()
def remove(
    name: Name,
    level: Annotated[str | None, typer.Option(help="At this level alone. Default: at each.")] = None,
    home: Home = None,
) -> None:
    """Remove a set. What was relaxed for it stays in the results log."""
    from gnome_lite.assemble.reference_sets import named_sets, set_file
    from gnome_lite.core.errors import SourceError

    settings = settings_of(home)
    found = named_sets(settings, name)
    if level is not None:
        found = [s for s in found if s.path == set_file(settings, level, name)]
        if not found:
            raise SourceError(f"references {name!r} are not there at level {level}: see `gnome-lite references list`")
    for each in found:
        each.path.unlink()
        say(f"removed {each.path}")


def _set_name(name: str | None, path: Path) -> str:
    """Return the name of a set, by the path where none is given.

    Raises:
        ConfigError: if it cannot be one.
    """
    from pydantic import TypeAdapter, ValidationError

    from gnome_lite.config import SetName
    from gnome_lite.core.errors import ConfigError

    chosen = name if name is not None else path.resolve().name.partition(".")[0]
    try:
        TypeAdapter(SetName).validate_python(chosen)
    except ValidationError as error:
        raise ConfigError(f"{chosen!r} cannot name a set: choose letters, digits and ._+- (--name NAME)") from error
    return chosen


def _left_out(what: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        say(f"left out, {what}: {line}")
    if len(lines) > SHOWN:
        say(f"left out, {what}: {len(lines) - SHOWN} more")
