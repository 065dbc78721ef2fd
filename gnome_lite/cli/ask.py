"""`ask` and `tell`: DFT of a campaign's best crystals, handed out as folders and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import (
    Home,
    keyword_arguments,
    number,
    plural,
    print_line,
    print_table,
    say,
    settings_of,
    show_progress,
)

if TYPE_CHECKING:
    from gnome_lite.campaign.telling import Told


def ask(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    level: Annotated[str, typer.Option(help="vasp-mp, vasp-r2scan, vasp-matpes, qe or gpaw.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=50_000, help="Most crystals; competing phases come on top.")
    ] = 20,
    campaign: Annotated[str | None, typer.Option(help="Whose crystals. Default: the campaign begun last.")] = None,
    above_hull: Annotated[float, typer.Option(min=0, help="So far above the campaign's hull at most, eV/atom.")] = 0.0,
    within: Annotated[float, typer.Option(min=0, help="Competing phases so near that hull, eV/atom.")] = 0.03,
    again: Annotated[bool, typer.Option("--again", help="Also what was asked for and has not come back.")] = False,
    pseudos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pseudopotentials of level qe, a UPF file an element.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Setting of qe or gpaw, e.g. ecut_ev=600.")
    ] = None,
    home: Home = None,
) -> None:
    """Write DFT inputs of the best crystals that a level has not been asked for: a folder each, and job scripts.

    Competing phases that the level's hull lacks are among them. `gnome-lite tell` takes back what is finished.
    """
    from gnome_lite.assemble.dft_folders import ask_for_dft

    asked = ask_for_dft(
        out,
        level,
        n,
        settings_of(home),
        campaign,
        keyword_arguments(set_ or []),
        pseudos,
        e_above_hull_max=above_hull,
        competing_max=within,
        again=again,
    )
    rows = [(m.folder, m.formula, m.role, m.id) for m in (*asked.candidates, *asked.competing)]
    print_table(("folder", "formula", "asked as", "id"), rows)
    for formula, why in asked.left_out:
        say(f"left out: {formula}: {why}")
    counts = f"{plural(len(asked.candidates))} and {len(asked.competing)} competing phases"
    say(f"{counts} of campaign {asked.campaign} asked for at level {asked.theory}, in {out}")
    say(f"run them: sh {out}/run.sh, or sbatch slurm.sh there; then: gnome-lite tell {out}")


def tell(
    folder: Annotated[Path, typer.Argument(help="Folder that `ask` wrote.")],
    home: Home = None,
) -> None:
    """Take back the DFT results that are finished, and judge them on their level's hull.

    Run it as often as you like: what is told already is passed over, what has no result yet stays open.
    """
    from gnome_lite.assemble.dft_folders import tell_dft

    with show_progress() as progress:
        told = tell_dft(folder, settings_of(home), progress)
    _print_verdicts(told)
    for wrong in told.wrong:
        say(f"passed over: {wrong.where} ({wrong.formula}): {wrong.why}")
    new = f"{plural(len(told.candidates))} and {len(told.competing)} competing phases told"
    say(f"{new}, {told.before} before, {len(told.open)} open, {len(told.wrong)} passed over")


def _print_verdicts(told: Told) -> None:
    if not told.verdicts:
        return
    formulas = {m.id: m.formula for m in told.manifest.members}
    numbers = ("above hull", "formation")
    rows = [
        (
            v.candidate_id,
            formulas.get(v.candidate_id, "-"),
            number(v.e_above_hull_ev_per_atom),
            number(v.e_form_ev_per_atom),
            "stable" if v.stable else "not stable",
            v.level,
        )
        for v in told.verdicts
    ]
    print_table(("id", "formula", *numbers, "verdict", "level"), rows, right=numbers)
    stable = sum(v.stable for v in told.verdicts)
    print_line(f"verdicts new or moved: {len(told.verdicts)}, of these stable: {stable} (energies in eV/atom)")
