"""`references`: the known phases of a chemical system, computed at another level, as a reference set of that level."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import Home, console, say, settings_of

if TYPE_CHECKING:
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet


def references(
    system: Annotated[str, typer.Argument(help="Chemical system, e.g. Mg-O.")],
    level: Annotated[str, typer.Option(help="Calculator: chgnet-r2scan, gpaw, mace ..., or module:factory.")],
    out: Annotated[Path | None, typer.Option(help="File to write. Default: SYSTEM-LEVEL.parquet.")] = None,
    campaign: Annotated[
        Path | None, typer.Option(help="campaign.toml: its known crystals, and its settings of this level.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Argument of the calculator, e.g. ecut_ev=500."),
    ] = None,
    within: Annotated[float, typer.Option(min=0, help="Phases so near the hull of the known level, eV/atom.")] = 0.03,
    single_point: Annotated[bool, typer.Option("--single-point", help="Energies as they are, not relaxed.")] = False,
    home: Home = None,
) -> None:
    """Compute the hull of a system at another level. A killed computation goes on when it is asked for again.

    The file can stand in `sources.files` of a campaign at that level.
    """
    from gnome_lite.assemble import load_references, make_higher_level, require_range
    from gnome_lite.campaign.higher_levels import competing_phases, of_system, phases_at
    from gnome_lite.core.errors import CalculatorError, MissingReferenceError
    from gnome_lite.report.progress import progress_on
    from gnome_lite.sources.reference_files import write_references
    from gnome_lite.stability.hull import build_hull

    wanted = _system(system)
    settings = settings_of(home)
    config = _config(wanted, level, campaign, _arguments(set_ or []), single_point)
    require_range(config)
    higher = make_higher_level(level, config, settings)
    below = load_references(config, settings)
    known = competing_phases(below, build_hull(below), [wanted], within)
    if set(wanted.split("-")) - {e.crystal.chemical_system for e in known}:
        missing = sorted(set(wanted.split("-")) - {e.crystal.chemical_system for e in known})
        raise MissingReferenceError(f"no known crystal of {', '.join(missing)}: add one to the campaign's sources")
    with progress_on(sys.stderr) as progress:
        phases, failed = phases_at(higher.verifier, known, higher.results_log, progress)
    made = of_system(phases, wanted)
    if made is None:
        causes = ", ".join(f"{cause} {n}" for cause, n in failed.items())
        raise CalculatorError(f"an element of {wanted} has no energy at level {higher.verifier.level}: {causes}")
    path = out if out is not None else Path(f"{wanted}-{level.replace(':', '_')}.parquet")
    write_references(path, made)
    _table(made, below)
    if failed:
        say(f"left out: {', '.join(f'{cause} {n}' for cause, n in failed.items())}")
    say(f"reference set {made.id} at level {made.level}: {len(made)} phases written to {path}")


def _system(text: str) -> str:
    from gnome_lite.core.crystals import atomic_number
    from gnome_lite.core.errors import ConfigError

    elements = sorted(set(text.split("-")))
    try:
        for element in elements:
            atomic_number(element)
    except ValueError as error:
        raise ConfigError(f"chemical system {text!r}: {error}; write e.g. Mg-O") from error
    return "-".join(elements)


def _arguments(words: list[str]) -> dict[str, Any]:
    """Keyword arguments; each value is TOML, or else plain text."""
    from gnome_lite.core.errors import ConfigError

    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise ConfigError(f"--set {word}: write KEY=VALUE, e.g. --set ecut_ev=500")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _config(
    system: str, level: str, campaign: Path | None, arguments: dict[str, Any], single_point: bool
) -> CampaignConfig:
    """The campaign's own configuration, or the bundled one, with this level on its ladder."""
    from gnome_lite.config import CampaignConfig, Level

    config = CampaignConfig.from_toml(campaign) if campaign is not None else CampaignConfig()
    settings = config.verify.level.get(level, Level())
    changed: dict[str, Any] = {"calculator_kwargs": {**settings.calculator_kwargs, **arguments}}
    if single_point:
        changed["max_steps"] = 0
    settings = settings.model_copy(update=changed)
    higher_levels = {"levels": (config.verify.calculator, level), "level": {**config.verify.level, level: settings}}
    space = config.space.model_copy(update={"chemical_systems": (system,)})
    return config.model_copy(update={"verify": config.verify.model_copy(update=higher_levels), "space": space})


def _table(made: PhaseSet, below: PhaseSet) -> None:
    """Each phase at both levels."""
    import numpy as np
    from rich.table import Table

    from gnome_lite.stability.hull import build_hull

    inside = {e.id: (e, float(f)) for e, f in zip(below, below.e_form_ev_per_atom, strict=True)}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("phase", "formula", "sites"):
        table.add_column(name, no_wrap=True)
    for name in ("formed with", "above hull", f"formed with, {below.level}", "Å^3/atom", f"Å^3/atom, {below.level}"):
        table.add_column(name, justify="right", no_wrap=True)
    distances = np.maximum(build_hull(made).distances(made.crystals.counts, made.e_form_ev_per_atom), 0.0)
    for e, form, above in zip(made, made.e_form_ev_per_atom, distances, strict=True):
        old, old_form = inside[e.id]
        n = len(e.crystal)
        volumes = (f"{e.crystal.volume / n:.2f}", f"{old.crystal.volume / n:.2f}")
        table.add_row(
            e.id, e.crystal.reduced_formula, str(n), f"{form:+.3f}", f"{above:.3f}", f"{old_form:+.3f}", *volumes
        )
    console().print(table)
