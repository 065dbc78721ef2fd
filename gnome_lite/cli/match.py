"""`match`: which crystals of the store are on a list of compounds that have been made."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import Home, console, say, store_of
from gnome_lite.cli.query import Campaign, Chemsys, Elements, Format, number, yes_no

if TYPE_CHECKING:
    from gnome_lite.report.reported_matches import Match, Share


def match(
    made: Annotated[
        Path, typer.Argument(metavar="LIST", help="CSV of formulas, structure file, or directory of them.")
    ],
    elements: Elements = None,
    chemsys: Chemsys = None,
    campaign: Campaign = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="Of the output.")] = Format.TABLE,
    home: Home = None,
) -> None:
    """Compare verified crystals with made compounds: predicted ones that exist are evidence that the loop works.

    The CSV has a column `formula`, and `space_group` (number or symbol) and `id` if known. Structures are matched as
    duplicates are; formula and space group, which is weaker, where the list has no structures; a formula alone is shown
    and not counted.
    """
    from gnome_lite.assemble import make_novelty
    from gnome_lite.cli.common import split_list
    from gnome_lite.report.reported_matches import match_reported
    from gnome_lite.sources.reported import read_reported
    from gnome_lite.store.query import Query

    compounds, skipped = read_reported(made)
    found = store_of(home).query(Query(elements=split_list(elements), chemical_system=chemsys, campaign=campaign))
    result = match_reported(compounds, found, make_novelty())
    rows = [_row(m) for m in result.matches]
    if format is Format.TABLE:
        _print(result.matches)
    elif format is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(_COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"made": "; ".join(row["made"])} for row in rows)
    elif format is Format.JSON:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    else:
        sys.stdout.write("".join(json.dumps(row) + "\n" for row in rows))
    structures = sum(m.crystal is not None for m in compounds)
    say(f"{len(compounds)} made compounds read, {structures} with a structure")
    if skipped:
        say("left out: " + ", ".join(f"{cause} {n}" for cause, n in skipped.most_common()))
    say(f"novel and stable: {_share(result.novel_stable)}")
    say(f"novel, above the hull: {_share(result.novel_unstable)}")
    say(f"in the reference set already: {_share(result.known)}")


_COLUMNS = ("id", "formula", "space_group", "e_above_hull_ev_per_atom", "novel", "ordering_suspect", "by", "made")


def _row(m: Match) -> dict[str, Any]:
    c = m.crystal
    values = (
        c.id, c.formula, c.space_group, c.e_above_hull_ev_per_atom, c.novel, c.ordering_suspect, m.by.value,
        list(m.names),
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _share(share: Share) -> str:
    """Counts, and the share of crystals that were recognised as made."""
    rate = f" ({share.made / share.crystals:.0%})" if share.crystals else ""
    return (
        f"{share.made} of {share.crystals} made{rate}: {share.structure} by structure, {share.space_group} by formula "
        f"and space group; {share.formula} more with the formula only"
    )


def _print(matches: tuple[Match, ...]) -> None:
    from rich.table import Table

    if not matches:
        return
    table = Table(header_style="bold", pad_edge=False, box=None)
    for name in ("id", "formula", "space group", "above hull", "novel", "suspect", "recognised by", "made"):
        table.add_column(name, justify="right" if name == "above hull" else "left", overflow="fold")
    for m in matches:
        c = m.crystal
        table.add_row(
            c.id, c.formula, c.space_group or "-", number(c.e_above_hull_ev_per_atom), yes_no(c.novel),
            yes_no(c.ordering_suspect), m.by.value, ", ".join(m.names),
        )  # fmt: skip
    console().print(table)
