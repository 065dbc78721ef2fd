"""`release`: the store's crystals as files for others, or a check of such files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import Home, phases_of, print_line, say, show_progress, store_of
from gnome_lite.cli.query import Campaign

if TYPE_CHECKING:
    from gnome_lite.store.status import CampaignStatus


def release(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory; with --check, a release.")],
    check: Annotated[bool, typer.Option("--check", help="Compare the files there with their checksums.")] = False,
    near_hull: Annotated[float, typer.Option(metavar="EV", help="Crystals up to this far above, eV/atom.")] = 0.1,
    licence: Annotated[str, typer.Option(help="Of the crystals found here (references keep theirs).")] = "CC-BY-4.0",
    all: Annotated[bool, typer.Option("--all", help="Also crystals that the reference set holds.")] = False,
    campaign: Campaign = None,
    home: Home = None,
) -> None:
    """Write summary tables as in GNoME's release, CIFs, the entries of the hull, a datasheet and checksums."""
    if check:
        from gnome_lite.sources.release_reader import check_files

        print_line(f"{directory}: {check_files(directory)} files as they were written")
        return
    from gnome_lite.predict.train import in_training
    from gnome_lite.report.release_writer import write_release

    store = store_of(home)
    phases = phases_of(home, campaign)
    wanted = {"novel": None if all else True, "campaign": campaign}
    campaigns = [c for c in store.status().campaigns if c.reference_set_id == phases.id]
    levels = sorted({at.level for c in campaigns for at in c.levels if campaign in (None, c.name)})
    with show_progress() as progress:
        made = write_release(
            directory, phases, store.query(**wanted), licence=licence, near_hull_ev_per_atom=near_hull,
            in_training=in_training, campaigns=[_facts(c) for c in campaigns], progress=progress,
            other_levels=[c for level in levels for c in store.query(**wanted, level=level)],
        )  # fmt: skip
    for name in (*made.files, "SHA256SUMS"):
        print_line(str(directory / name))
    say(
        f"{made.stable} crystals on hull {made.hull_id} (level {made.level}), {made.near_hull} near it; "
        f"{made.entries} entries of the hull"
    )


def _facts(campaign: CampaignStatus) -> dict[str, Any]:
    config = campaign.config
    return {
        "name": campaign.name,
        "begun_at": campaign.begun_at,
        "rounds": len(campaign.rounds),
        "seed": config.get("seed"),
        "calculator": config.get("verify", {}).get("calculator"),
        "config": dict(config),
    }
