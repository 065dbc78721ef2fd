"""`synthesis`: from which reference phases a crystal might be made."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gnome_lite.cli.common import (
    FORMAT,
    Home,
    References,
    Temperature,
    phases_of,
    print_json,
    print_table,
    say,
    split_list,
)
from gnome_lite.cli.query import Campaign

if TYPE_CHECKING:
    from gnome_lite.analysis.synthesis_routes import Synthesis


def synthesis(
    crystal: Annotated[str, typer.Argument(metavar="ID", help="A crystal's id (or its beginning), or a formula.")],
    uptake: Annotated[str | None, typer.Option(metavar="O2", help="Gases that may be burnt in.")] = None,
    max_precursors: Annotated[int, typer.Option(min=1, max=4, help="Solids in one reaction, at most.")] = 2,
    e_hull_max: Annotated[
        float, typer.Option("--e-hull-max", metavar="EV", help="Of precursors, above the hull, eV/atom.")
    ] = 0.05,
    metals: Annotated[bool, typer.Option("--metals", help="Pure metals may be precursors, as for alloys.")] = False,
    temperature: Temperature = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many sets.")] = 10,
    campaign: Campaign = None,
    references: References = None,
    format: Annotated[Literal["table", "json"], FORMAT] = "table",
    home: Home = None,
) -> None:
    """Rank sets of precursors by reaction energy and by how far the crystal lies below all that may form instead.

    Precursors are phases of the reference set; CO2, H2O and O2 may be given off where their energies are known.
    """
    from gnome_lite.analysis.gases import gases_of
    from gnome_lite.analysis.lookup import find_phase
    from gnome_lite.analysis.synthesis_routes import synthesis as find

    phases = phases_of(home, campaign, references)
    taken_up = gases_of(phases, split_list(uptake), temperature) if uptake else []
    found = find(
        phases, find_phase(phases, crystal), gases_of(phases, (), temperature), taken_up, max_precursors=max_precursors,
        e_above_hull_max=e_hull_max, metals=metals, limit=limit,
    )  # fmt: skip
    if format == "json":
        routes = [asdict(r) | {"equation": str(r.equation)} for r in found.routes]
        print_json(asdict(found) | {"routes": routes, "level": phases.level})
        return
    if found.routes:
        _print(found)
    stands = "below" if found.inverse_hull_ev_per_atom >= 0 else "above"
    distance = 1000 * abs(found.inverse_hull_ev_per_atom)
    say(
        f"{found.formula} ({found.id}) lies {distance:.1f} meV/atom {stands} the hull of all other compositions at "
        f"level {phases.level}; {found.n_routes} sets from {found.precursors} precursors"
    )
    if not found.routes:
        say(
            "no set of reference phases makes it downhill: try --max-precursors 3, --temperature 1200, --metals, "
            "--uptake O2 or a larger --e-hull-max"
        )


def _print(found: Synthesis) -> None:
    numbers = ("reaction, eV/atom", "inverse hull, eV/atom", "rivals")
    rows = []
    for r in found.routes:
        rival = "-" if r.strongest_rival is None else f"{r.strongest_rival[0]} ({r.strongest_rival[1]:+.3f})"
        energies = f"{r.energy_ev_per_atom:+.4f}", f"{r.inverse_hull_ev_per_atom:+.4f}"
        rows.append((*energies, str(r.rivals), rival, str(r.equation)))
    print_table((*numbers, "strongest rival", "equation"), rows, right=numbers, wrapped=["equation"])
