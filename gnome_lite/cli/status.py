"""`status`: what the store holds and how far its campaigns are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, console, store_of

if TYPE_CHECKING:
    from rich.console import Console

    from gnome_lite.core.records import Verification
    from gnome_lite.store.database import SqlStore
    from gnome_lite.store.status import CampaignStatus, RoundStatus


def status(
    failures: Annotated[bool, typer.Option("--failures", help="List the crystals whose verification failed.")] = False,
    crystals: Annotated[
        Path | None, typer.Option(help="With --failures: write those crystals, as far as they got, to an extxyz file.")
    ] = None,
    home: Home = None,
) -> None:
    """Show campaigns, rounds and failures."""
    store = store_of(home)
    found = store.status()
    out = console()
    out.print(
        f"store {found.name} (schema {found.schema_version}): "
        f"{found.candidates} candidates, {found.verifications} verified",
        highlight=False,
        markup=False,
    )
    quarantined: list[Verification] = []
    for campaign in found.campaigns:
        _print_campaign(out, campaign)
        if failures:
            quarantined += _print_failures(out, store, campaign)
    if crystals is not None:
        _write(crystals, quarantined)


def _print_campaign(out: Console, campaign: CampaignStatus) -> None:
    from rich.table import Table

    wanted = int(campaign.config["rounds"])
    done = sum("report" in r.steps for r in campaign.rounds)
    state = "finished" if done >= wanted else f"round {done + 1} of {wanted} under way or stopped"
    out.print(
        f"\ncampaign {campaign.name}: {done} of {wanted} rounds, {state}\n"
        f"  begun {campaign.begun_at}, level {campaign.level}, "
        f"reference set {campaign.reference_set_id} ({campaign.n_references} entries)",
        highlight=False,
        markup=False,
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = (
        "round",
        "candidates",
        "predicted",
        "selected",
        "verified",
        "failed",
        "stable so far",
        "novel",
        "last step",
    )
    for name in columns:
        table.add_column(name, justify="left" if name == "last step" else "right", no_wrap=True)
    for r in campaign.rounds:
        counts = (r.round, r.candidates, r.predicted, r.selected, r.verified, r.failed, r.stable, r.novel)
        table.add_row(*map(str, counts), _last_step(r))
    out.print(table)
    _print_levels(out, campaign)
    for round, model in campaign.models[-1:]:
        error = 1000 * model.holdout_mae_ev_per_atom
        out.print(
            f"model {model.id} after round {round}: {error:.0f} meV/atom on {model.n_holdout} held-out crystals",
            highlight=False,
            markup=False,
        )
    if campaign.failures:
        causes = ", ".join(f"{cause} {n}" for cause, n in campaign.failures.items())
        out.print(f"failures: {causes}", highlight=False, markup=False)


def _last_step(r: RoundStatus) -> str:
    return list(r.steps)[-1] if r.steps else "-"


def _print_levels(out: Console, campaign: CampaignStatus) -> None:
    """How those verified at higher levels stand there now; `query --level` lists them."""
    for at in campaign.levels:
        failed = sum((at.figures.get("phases_failed") or {}).values())
        lacking = f"; {failed} competing phases failed" if failed else ""
        out.print(
            f"level {at.level}: {at.verified} of {at.selected} verified, {at.failed} failed, {at.stable} of "
            f"{at.judged} on the hull there{lacking}",
            highlight=False,
            markup=False,
        )


def _print_failures(out: Console, store: SqlStore, campaign: CampaignStatus) -> list[Verification]:
    """Those in quarantine: never selected again, kept as far as they got."""
    from rich.table import Table

    levels = [campaign.level, *(at.level for at in campaign.levels)]
    failed = [v for level in levels for v in store.verifications(level, campaign.name) if v.failure is not None]
    if not failed:
        out.print("no failures", highlight=False)
        return failed
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("id", "formula", "sites", "steps", "level", "cause", "detail"):
        table.add_column(name, no_wrap=name != "detail", overflow="fold")
    for v in failed:
        size, steps = str(len(v.crystal)), str(v.n_steps)
        table.add_row(v.candidate_id, v.crystal.reduced_formula, size, steps, v.level, str(v.failure), v.detail)
    out.print(table)
    return failed


def _write(path: Path, failed: list[Verification]) -> None:
    """All of them as one extxyz file, each with its id, cause and detail."""
    from ase.io import write

    from gnome_lite.cli.common import say

    images = []
    for v in failed:
        atoms = v.crystal.to_ase()
        atoms.info |= {"id": v.candidate_id, "level": v.level, "failure": str(v.failure), "detail": v.detail}
        images.append(atoms)
    write(path, images, format="extxyz")
    say(f"{len(images)} crystals written to {path}")
