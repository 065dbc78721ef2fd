"""`references compute`: the reference phases of a chemical system, computed at another level, as a set of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import (
    Home,
    Trust,
    config_of,
    counted,
    keyword_arguments,
    print_table,
    remember,
    say,
    settings_of,
    show_progress,
    split_system,
)
from gnome_lite.core.plain_text import file_name

if TYPE_CHECKING:
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet


def compute(
    system: Annotated[str, typer.Argument(help="Chemical system, e.g. Mg-O.")],
    level: Annotated[str, typer.Option(help="Calculator: chgnet-r2scan, gpaw, mace ..., or module:factory.")],
    out: Annotated[Path | None, typer.Option(help="File to write. Default: SYSTEM-LEVEL.parquet.")] = None,
    campaign: Annotated[
        Path | None, typer.Option(help="campaign.toml: its references, and its settings of this level.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Argument of the calculator, e.g. ecut_ev=500."),
    ] = None,
    within: Annotated[float, typer.Option(min=0, help="Phases so near the hull of the references, eV/atom.")] = 0.03,
    single_point: Annotated[bool, typer.Option("--single-point", help="Energies as they are, not relaxed.")] = False,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Compute the hull of a system at another level. A killed computation goes on when it is asked for again.

    The file can stand in `sources.files` of a campaign at that level.
    """
    from gnome_lite.assemble import load_references, make_higher_level, require_range
    from gnome_lite.assemble.trust import programs_of
    from gnome_lite.campaign.higher_levels import competing_phases, of_system, phases_at
    from gnome_lite.config import Verify
    from gnome_lite.core.errors import CalculatorError, MissingReferenceError
    from gnome_lite.sources.reference_files import write_references
    from gnome_lite.stability.hull import build_hull

    wanted = "-".join(sorted(split_system(system)))
    settings = settings_of(home)
    arguments = keyword_arguments(set_ or [])
    config = _config(wanted, level, campaign, arguments, single_point)
    remember(config, settings, trust)
    if programs_of(config.verify) == programs_of(Verify(calculator=level, calculator_kwargs=arguments)):
        settings = settings.model_copy(update={"trust": True})  # all of it stands on the command line
    require_range(config)
    higher = make_higher_level(level, config, settings)
    with show_progress() as progress:
        below = load_references(config, settings, progress)
    known = competing_phases(below, build_hull(below), [wanted], within)
    missing = sorted(set(wanted.split("-")) - {e.crystal.chemical_system for e in known})
    if missing:
        raise MissingReferenceError(f"no reference of {', '.join(missing)}: add one to the campaign's sources")
    with show_progress() as progress:
        phases, failed = phases_at(higher.verifier, known, higher.results_log, progress)
    made = of_system(phases, wanted)
    if made is None:
        raise CalculatorError(
            f"an element of {wanted} has no energy at level {higher.verifier.level}: {counted(failed)}"
        )
    path = out if out is not None else Path(f"{wanted}-{file_name(level)}.parquet")
    write_references(path, made)
    _table(made, below)
    if failed:
        say(f"left out: {counted(failed)}")
    say(f"reference set {made.id} at level {made.level}: {len(made)} phases written to {path}")


def _config(
    system: str, level: str, campaign: Path | None, arguments: dict[str, Any], single_point: bool
) -> CampaignConfig:
    """Return the campaign's settings with this level above its first."""
    from gnome_lite.config import Level

    config = config_of(campaign)
    settings = config.verify.level.get(level, Level())
    changed: dict[str, Any] = {"calculator_kwargs": {**settings.calculator_kwargs, **arguments}}
    if single_point:
        changed["max_steps"] = 0
    settings = settings.model_copy(update=changed)
    higher_levels = {"levels": (config.verify.calculator, level), "level": {**config.verify.level, level: settings}}
    space = config.space.model_copy(update={"chemical_systems": (system,)})
    return config.model_copy(update={"verify": config.verify.model_copy(update=higher_levels), "space": space})


def _table(made: PhaseSet, below: PhaseSet) -> None:
    """Print each phase with its formation energy and volume at both levels."""
    import numpy as np

    from gnome_lite.core.origins import origins
    from gnome_lite.stability.hull import build_hull

    at_first = {e.id: (e, float(f)) for e, f in zip(below, below.e_form_ev_per_atom, strict=True)}
    distances = np.maximum(build_hull(made).distances(made.crystals.counts, made.e_form_ev_per_atom), 0.0)
    rows = []
    for e, origin, form, above in zip(made, origins(made), made.e_form_ev_per_atom, distances, strict=True):
        old, old_form = at_first[e.id]
        n = len(e.crystal)
        energies = f"{form:+.3f}", f"{above:.3f}", f"{old_form:+.3f}"
        volumes = f"{e.crystal.volume / n:.2f}", f"{old.crystal.volume / n:.2f}"
        rows.append((e.id, e.crystal.reduced_formula, str(origin), str(n), *energies, *volumes))
    numbers = ("formed with", "above hull", f"formed with, {below.level}", "Å^3/atom", f"Å^3/atom, {below.level}")
    print_table(("phase", "formula", "origin", "sites", *numbers), rows, right=numbers)
