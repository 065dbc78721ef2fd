"""`match`: which crystals of the store are on a list of compounds that have been made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnome_lite.cli.common import (
    FORMAT,
    Home,
    counted,
    number,
    print_csv,
    print_json,
    print_table,
    say,
    split_list,
    store_of,
    yes_no,
)
from gnome_lite.cli.query import Campaign, Chemsys, Elements, Format

if TYPE_CHECKING:
    from gnome_lite.report.reported_matches import Match, Share


def match(
    made: Annotated[
        Path, typer.Argument(metavar="LIST", help="CSV of formulas, structure file, or directory of them.")
    ],
    elements: Elements = None,
    chemsys: Chemsys = None,
    campaign: Campaign = None,
    format: Annotated[Format, FORMAT] = "table",
    home: Home = None,
) -> None:
    """Compare verified crystals with made compounds: predicted ones that exist are evidence that the loop works.

    The CSV has a column `formula`, and `space_group` (number or symbol) and `id` if known. Structures are matched as
    duplicates are; formula and space group, which is weaker, where the list has no structures; a formula alone is shown
    and not counted.
    """
    from gnome_lite.assemble import make_novelty
    from gnome_lite.report.reported_matches import match_reported
    from gnome_lite.sources.reported import read_reported
    from gnome_lite.store.query import Query

    compounds, skipped = read_reported(made)
    found = store_of(home).query(Query(elements=split_list(elements), chemical_system=chemsys, campaign=campaign))
    result = match_reported(compounds, found, make_novelty())
    rows = [_row(m) for m in result.matches]
    if format == "csv":
        print_csv(_COLUMNS, rows)
    elif format == "json":
        print_json(rows)
    elif format == "ndjson":
        for row in rows:
            print_json(row, indent=None)
    elif rows:
        names = ("id", "formula", "space group", "above hull", "novel", "suspect", "recognised by", "made")
        print_table(names, map(_cells, rows), right=["above hull"], wrapped=names)
    structures = sum(m.crystal is not None for m in compounds)
    say(f"{len(compounds)} made compounds read, {structures} with a structure")
    if skipped:
        say(f"left out: {counted(dict(skipped.most_common()))}")
    say(f"novel and stable: {_share(result.novel_stable)}")
    say(f"novel, above the hull: {_share(result.novel_unstable)}")
    say(f"among the references or found before: {_share(result.known)}")


_COLUMNS = ("id", "formula", "space_group", "e_above_hull_ev_per_atom", "novel", "ordering_suspect", "by", "made")


def _row(m: Match) -> dict[str, Any]:
    c = m.crystal
    values = (
        c.id, c.formula, c.space_group, c.e_above_hull_ev_per_atom, c.novel, c.ordering_suspect, m.by.value,
        list(m.names),
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def _share(share: Share) -> str:
    """Return counts in words, with the share of crystals that are recognised as made."""
    rate = f" ({share.made / share.crystals:.0%})" if share.crystals else ""
    return (
        f"{share.made} of {share.crystals} made{rate}: {share.structure} by structure, {share.space_group} by formula "
        f"and space group; {share.formula} more with the formula only"
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    id, formula, group, above, novel, suspect, by, names = row.values()
    return id, formula, group or "-", number(above), yes_no(novel), yes_no(suspect), by, ", ".join(names)
