"""`benchmark rediscover`: hide what DFT knows to be stable in a system, and count what campaigns find again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, print_drawn, say, settings_of, show_progress, split_list
from gnome_lite.core.plain_text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from gnome_lite.evaluation.rediscovery_campaigns import Arm, ArmResult
    from gnome_lite.evaluation.rediscovery_setup import Rediscovery

BUDGETS = (25, 50, 100, 200, 500)


def rediscover(
    entries: Annotated[
        Path,
        typer.Option(metavar="FILE", help="All DFT entries of one chemical system: pymatgen's JSON, plain or .gz."),
    ],
    parents: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Further parents: a table with CIFs (.csv, .csv.gz), CIF, extxyz, ..."),
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="Verifications of each arm.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that share the budget.")] = 10,
    arms: Annotated[str, typer.Option(help="Of campaign, ion_exchange, random.")] = "campaign,ion_exchange,random",
    max_atoms: Annotated[int, typer.Option(min=1, help="Largest cell of candidates and parents.")] = 40,
    home: Home = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write all figures here.")
    ] = None,
) -> None:
    """Hide the stable ternaries and quaternaries of a system and count which ones campaigns find again.

    Hours. Stopped at any time, it goes on when it is run again.
    """
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.evaluation.rediscovery_campaigns import arm_config, run_arm
    from gnome_lite.evaluation.rediscovery_setup import prepare_rediscovery

    chosen = _arms(arms)
    place = home if home is not None else settings_of(None).home / "rediscovery"
    if budget < rounds:
        raise ConfigError(f"a budget of {budget} verifications in {rounds} rounds: give fewer rounds")
    if json_file is not None and not json_file.parent.is_dir():  # before hours are spent
        raise ConfigError(f"cannot write {json_file}: there is no directory {json_file.parent}")
    with show_progress() as progress:
        task = prepare_rediscovery(entries, parents or [], place, progress)
        configs = [arm_config(arm, task, budget, rounds, max_atoms) for arm in chosen]
        say(f"{'-'.join(task.elements)}: {len(task.hidden)} crystals hidden, {_with_parent(task)} with a parent")
        for cause in task.not_given:
            say(f"not given, for it has no energy at this level: {cause}")
        results = []
        for arm, config in zip(chosen, configs, strict=True):
            say(f"arm {arm}: {config.rounds} rounds of {config.select.budget}, in {place / arm}")
            results.append(run_arm(arm, task, config, progress))
    if json_file is not None:
        figures = {
            "system": "-".join(task.elements),
            "hidden": len(task.hidden),
            "with_parent": _with_parent(task),
            "leaks": list(task.leaks),
            "not_given": list(task.not_given),
            "arms": [r.as_json() for r in results],
        }
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for table in (_summary(task, results), _crystals(task, results)):
        print_drawn(table)


def _arms(text: str) -> list[Arm]:
    """Return the arms that are named, in their usual order."""
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.evaluation.rediscovery_campaigns import ARMS

    names = split_list(text)
    unknown = [name for name in names if name not in ARMS]
    if unknown or not names:
        raise ConfigError(f"no arm {', '.join(unknown) or 'named'}: choose from {', '.join(ARMS)}")
    return [arm for arm in ARMS if arm in names]


def _with_parent(task: Rediscovery) -> int:
    return sum(bool(h.parents) for h in task.hidden)


def _summary(task: Rediscovery, results: Sequence[ArmResult]) -> Table:
    """Return the counts of each arm, one row a count."""
    from rich.table import Table

    hidden = f"{len(task.hidden)} hidden crystals of {'-'.join(task.elements)}"
    table = Table("", title=f"{hidden}, {_with_parent(task)} with a parent")
    for result in results:
        table.add_column(result.arm, justify="right")
    figures = [r.as_json() for r in results]
    claims = [r.claims for r in results]
    most = max(len(r.trials) for r in results)
    rows: list[tuple[str, list[int]]] = [
        ("verified", [f["verified"] for f in figures]),
        ("found again", [f["found"] for f in figures]),
        ("  of those with a parent", [f["found_with_parent"] for f in figures]),
        ("  of those without", [f["found_without_parent"] for f in figures]),
        ("found and called stable", [f["found_stable"] for f in figures]),
        *((f"found within {n}", [r.found_within(n) for r in results]) for n in BUDGETS if n < most),
        ("claims (stable and new)", [c.n for c in claims]),
        ("  DFT has an entry of", [c.known_to_dft for c in claims]),
        ("  of these within 50 meV/atom of its hull", [c.near_dft_hull for c in claims]),
    ]  # fmt: skip
    for name, values in rows:
        table.add_row(name, *map(str, values))
    return table


def _crystals(task: Rediscovery, results: Sequence[ArmResult]) -> Table:
    """Return the outcome of each hidden crystal in each arm, one row a crystal."""
    from rich.table import Table

    title = "Found at verification number (distance to the hull, predicted and verified, meV/atom), or why not"
    table = Table("hidden", "atoms", "parents", title=title)
    for result in results:
        table.add_column(result.arm, overflow="fold")
    for i, h in enumerate(task.hidden):
        cells = []
        for result in results:
            r = result.returns[i]
            energies = [r.predicted_ev_per_atom, r.e_above_hull_ev_per_atom]
            shown = ", ".join("?" if e is None else f"{1000 * e:.0f}" for e in energies)
            cells.append(f"{r.rank} ({shown}) {r.generator}" if r.found else r.outcome)
        leak = " (in the seed)" if h.id in task.leaks else ""
        table.add_row(
            printable(f"{h.crystal.reduced_formula} {h.id}{leak}"), str(len(h.crystal)), str(len(h.parents)), *cells
        )
    return table
