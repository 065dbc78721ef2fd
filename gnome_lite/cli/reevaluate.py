"""`reevaluate`: verdicts issued again against today's references and verified crystals."""

from __future__ import annotations

from typing import Annotated

import typer

from gnome_lite.cli.common import Home, print_line, say, settings_of, show_progress, store_of


def reevaluate(
    campaign: Annotated[list[str] | None, typer.Argument(help="Campaigns of the store. Default: all.")] = None,
    home: Home = None,
) -> None:
    """Re-issue verdicts that new phases affect.

    Verdicts are looked up again where references or verified crystals have changed since; the old ones are kept. A
    campaign whose references have changed continues with the new ones.
    """
    from gnome_lite.assemble import reevaluate_campaign

    store = store_of(home)
    names = campaign or [c.name for c in store.status().campaigns]
    if not names:
        say(f"store {store.name} holds no campaign: `gnome-lite run` makes one")
    for name in names:
        with show_progress() as progress:
            outcome = reevaluate_campaign(name, store, settings_of(home), progress)
        print_line(
            f"campaign {name}: {outcome.affected} of {outcome.standing} verdicts affected by {outcome.cause}, "
            f"{len(outcome.moved)} moved: {outcome.gained} onto the hull, {outcome.lost} off it"
        )
        print_line(f"  level {outcome.level}, reference set {outcome.reference_set_id}, hull {outcome.hull_id}")
        for before, now in outcome.moved:
            if before.stable != now.stable:
                energies = f"{before.e_above_hull_ev_per_atom:.4f} -> {now.e_above_hull_ev_per_atom:.4f}"
                print_line(f"  {now.candidate_id}  {energies} eV/atom above hull")
