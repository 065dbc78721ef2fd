"""`status`: what the store holds and how far its campaigns are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, counted, print_line, print_table, say, store_of
from gnome_lite.core.novelty_kinds import kinds_in_words
from gnome_lite.core.plain_text import printable

if TYPE_CHECKING:
    from gnome_lite.core.records import Verification
    from gnome_lite.store.status import CampaignStatus


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
    print_line(
        f"store {found.name} (schema {found.schema_version}): "
        f"{found.candidates} candidates, {found.verifications} verified"
    )
    failed: list[Verification] = []
    for campaign in found.campaigns:
        _print_campaign(campaign)
        if failures:
            levels = [campaign.level, *(at.level for at in campaign.levels)]
            verified = [v for level in levels for v in store.verifications(level, campaign.name)]
            failed += _print_failures([v for v in verified if v.failure is not None])
    if crystals is not None:
        _write(crystals, failed)


def _print_campaign(campaign: CampaignStatus) -> None:
    wanted = int(campaign.config["rounds"])
    done = sum("report" in r.steps for r in campaign.rounds)
    state = "finished" if done >= wanted else f"round {done + 1} of {wanted} under way or stopped"
    print_line("")
    print_line(f"campaign {campaign.name}: {done} of {wanted} rounds, {state}")
    print_line(
        f"  begun {campaign.begun_at}, level {campaign.level}, "
        f"reference set {campaign.reference_set_id} ({campaign.n_references} entries)"
    )
    numbers = ("round", "candidates", "predicted", "selected", "verified", "failed", "stable so far", "novel")
    rows = []
    for r in campaign.rounds:
        counts = (r.round, r.candidates, r.predicted, r.selected, r.verified, r.failed, r.stable, r.novel)
        rows.append((*map(str, counts), list(r.steps)[-1] if r.steps else "-"))
    print_table((*numbers, "last step"), rows, right=numbers)
    if campaign.rounds and (kinds := kinds_in_words(campaign.rounds[-1].by_novelty)):
        print_line(f"stable and novel: {kinds}")
    # How the crystals verified at higher levels stand there now; `query --level` lists them.
    for at in campaign.levels:
        phases_failed = sum((at.figures.get("phases_failed") or {}).values())
        lacking = f"; {phases_failed} competing phases failed" if phases_failed else ""
        print_line(
            f"level {at.level}: {at.verified} of {at.selected} verified, {at.failed} failed, {at.stable} of "
            f"{at.judged} on the hull there{lacking}"
        )
    for round, model in campaign.models[-1:]:
        error = 1000 * model.holdout_mae_ev_per_atom
        print_line(f"model {model.id} after round {round}: {error:.0f} meV/atom on {model.n_holdout} held-out crystals")
    if campaign.failures:
        print_line(f"failures: {counted(campaign.failures)}")


def _print_failures(failed: list[Verification]) -> list[Verification]:
    """Print the failed verifications of a campaign, whose crystals are never selected again, and return them."""
    if not failed:
        print_line("no failures")
        return failed
    rows = []
    for v in failed:
        size, steps = str(len(v.crystal)), str(v.n_steps)
        rows.append((v.candidate_id, v.crystal.reduced_formula, size, steps, v.level, str(v.failure), v.detail))
    print_table(("id", "formula", "sites", "steps", "level", "cause", "detail"), rows, wrapped=["detail"])
    return failed


def _write(path: Path, failed: list[Verification]) -> None:
    """Write them to one extxyz file, each with its id, cause and detail."""
    from ase.io import write

    images = []
    for v in failed:
        atoms = v.crystal.to_ase()
        atoms.info |= {"id": v.candidate_id, "level": v.level, "failure": str(v.failure), "detail": printable(v.detail)}
        images.append(atoms)
    write(path, images, format="extxyz")
    say(f"{len(images)} crystals written to {path}")
