"""`plot`: the hull of a chemical system as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gnome_lite.cli.common import Home, References, phases_of, print_line, say, split_system
from gnome_lite.cli.query import Campaign


def plot(
    system: Annotated[str, typer.Argument(metavar="Li-Fe-O", help="Two or three elements.")],
    out: Annotated[Path | None, typer.Argument(metavar="FILE", help="png, svg or pdf. Default: Li-Fe-O.png")] = None,
    campaign: Campaign = None,
    references: References = None,
    home: Home = None,
) -> None:
    """Draw the hull of reported and hypothetical references and of what was found here."""
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.core.origins import Origin, origins
    from gnome_lite.report.hull_figures import hull_figure
    from gnome_lite.stability.hull import build_hull
    from gnome_lite.stability.reference_coverage import coverage_of

    elements = split_system(system)
    if len(elements) not in (2, 3):
        raise ConfigError(f"a hull of {system!r} cannot be drawn: name two or three elements, e.g. Li-Fe-O")
    place = out if out is not None else Path(f"{'-'.join(elements)}.png")
    kinds = (".png", ".svg", ".pdf")
    if place.suffix.lower() not in kinds:
        raise ConfigError(f"cannot draw {place}: name a file that ends in {', '.join(kinds)}")
    phases = phases_of(home, campaign, references)
    drawn = build_hull(phases).system(elements)
    of_phase = dict(zip(phases.ids, origins(phases), strict=True))
    figure = hull_figure(drawn, of_phase, f"{'-'.join(elements)} at level {phases.level}")
    figure.savefig(place)
    print_line(str(place))
    found = sum(of_phase[i] is Origin.FOUND for i in drawn.ids)
    say(f"{len(drawn.ids)} crystals, {int(drawn.on_hull.sum())} on the hull, {found} found here")
    say(f"references in {coverage_of(phases, elements)}")
