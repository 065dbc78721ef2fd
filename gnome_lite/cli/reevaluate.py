"""`reevaluate`: verdicts issued again against today's references and verified crystals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, console, say, settings_of, store_of

if TYPE_CHECKING:
    from gnome_lite.campaign.reevaluate import Reevaluation


def reevaluate(
    campaign: Annotated[list[str] | None, typer.Argument(help="Campaigns of the store. Default: all.")] = None,
    home: Home = None,
) -> None:
    """Re-issue verdicts that new phases affect.

    Verdicts are looked up again where references or verified crystals have changed since; the old ones are kept. A
    campaign whose references have changed continues with the new ones.
    """
    from gnome_lite.assemble import reevaluate_campaign
    from gnome_lite.report.progress import progress_on

    store = store_of(home)
    names = campaign or [c.name for c in store.status().campaigns]
    if not names:
        say(f"store {store.name} holds no campaign: `gnome-lite run` makes one")
    for name in names:
        with progress_on(sys.stderr) as progress:
            outcome = reevaluate_campaign(name, store, settings_of(home), progress)
        _tell(outcome)


def _tell(outcome: Reevaluation) -> None:
    out = console()
    lines = [
        f"campaign {outcome.campaign}: {outcome.affected} of {outcome.standing} verdicts affected by {outcome.cause}, "
        f"{len(outcome.moved)} moved: {outcome.gained} onto the hull, {outcome.lost} off it",
        f"  level {outcome.level}, reference set {outcome.reference_set_id}, hull {outcome.hull_id}",
    ]
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    for before, now in outcome.moved:
        if before.stable != now.stable:
            out.print(
                f"  {now.candidate_id}  {before.e_above_hull_ev_per_atom:.4f} -> {now.e_above_hull_ev_per_atom:.4f} "
                f"eV/atom above hull",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
