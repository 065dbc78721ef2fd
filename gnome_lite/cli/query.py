"""`query`: which crystals of the store, by elements, hull distance, size, symmetry and novelty."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gnome_lite.cli.common import Home, console, say, split_list, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnome_lite.store.query import Query
    from gnome_lite.store.stored import StoredCrystal


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


Elements = Annotated[str | None, typer.Option(metavar="Li,O", help="Has all of these elements.")]
Only = Annotated[str | None, typer.Option(metavar="Li,Fe,O", help="Has none but these elements.")]
Exclude = Annotated[str | None, typer.Option(metavar="F", help="Has none of these elements.")]
Chemsys = Annotated[str | None, typer.Option(metavar="Li-Fe-O", help="Has exactly these elements.")]
Formula = Annotated[str | None, typer.Option(metavar="LiFePO4", help="Has this composition.")]
EHullMax = Annotated[
    float | None, typer.Option("--e-hull-max", metavar="EV", help="At most this far above the hull, eV/atom.")
]
Stable = Annotated[bool, typer.Option("--stable", help="On the hull (surrogate-stable).")]
NSites = Annotated[str | None, typer.Option("--nsites", metavar="1-40", help="Atoms in the cell.")]
SpaceGroup = Annotated[str | None, typer.Option("--sg", metavar="225", help="Space group, number or symbol.")]
Prototype = Annotated[str | None, typer.Option(metavar="AB_cF8_225_a_b", help="Wyckoff-labelled prototype.")]
Novel = Annotated[bool | None, typer.Option("--novel/--known", help="Not in the reference set / in it.")]
Suspect = Annotated[
    bool | None, typer.Option("--suspect/--no-suspect", help="Maybe an ordering of a solid solution / not.")
]
Campaign = Annotated[str | None, typer.Option(metavar="NAME", help="Of this campaign.")]
Round = Annotated[int | None, typer.Option(metavar="N", help="Of this round.")]
Unverified = Annotated[bool, typer.Option("--unverified", help="Also candidates without a verdict.")]
Sort = Annotated[str, typer.Option(help="e_above_hull, e_form, p_stable, n_sites, formula, id, round ...")]
Limit = Annotated[int | None, typer.Option(min=0, help="At most so many.")]


def query(
    elements: Elements = None,
    only: Only = None,
    exclude: Exclude = None,
    chemsys: Chemsys = None,
    formula: Formula = None,
    e_hull_max: EHullMax = None,
    stable: Stable = False,
    nsites: NSites = None,
    sg: SpaceGroup = None,
    prototype: Prototype = None,
    novel: Novel = None,
    suspect: Suspect = None,
    campaign: Campaign = None,
    round: Round = None,
    unverified: Unverified = False,
    sort: Sort = "e_above_hull",
    limit: Limit = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="Of the output.")] = Format.TABLE,
    home: Home = None,
) -> None:
    """List crystals of the store; nothing found is no error."""
    wanted = make_query(
        elements, only, exclude, chemsys, formula, e_hull_max, stable, nsites, sg, prototype, novel, suspect, campaign,
        round, unverified, sort, limit,
    )  # fmt: skip
    found = store_of(home).query(wanted)
    if format is Format.TABLE:
        _print_table(found)
    else:
        from gnome_lite.store import export

        write = {Format.JSON: export.to_json, Format.NDJSON: export.to_ndjson, Format.CSV: export.to_csv}[format]
        sys.stdout.write(write(found))


def make_query(
    elements: str | None,
    only: str | None,
    exclude: str | None,
    chemsys: str | None,
    formula: str | None,
    e_hull_max: float | None,
    stable: bool,
    nsites: str | None,
    sg: str | None,
    prototype: str | None,
    novel: bool | None,
    suspect: bool | None,
    campaign: str | None,
    round: int | None,
    unverified: bool,
    sort: str,
    limit: int | None,
) -> Query:
    """The options as a `Query`; `export` takes the same ones.

    Raises:
        ConfigError: naming what is not understood.
    """
    from gnome_lite.core.errors import ConfigError
    from gnome_lite.core.records import STABLE_EV_PER_ATOM
    from gnome_lite.store.query import Query

    if chemsys is not None and not chemsys.strip("- "):
        raise ConfigError("--chemsys is empty: write e.g. --chemsys Li-Fe-O")
    if stable:
        e_hull_max = STABLE_EV_PER_ATOM if e_hull_max is None else min(e_hull_max, STABLE_EV_PER_ATOM)
    low, high = _sites(nsites)
    return Query(
        elements=split_list(elements),
        only=split_list(only),
        exclude=split_list(exclude),
        chemical_system=chemsys,
        formula=formula,
        e_above_hull_max=e_hull_max,
        n_sites_min=low,
        n_sites_max=high,
        space_group=int(sg) if sg is not None and sg.isdecimal() else sg,
        prototype=prototype,
        novel=novel,
        ordering_suspect=suspect,
        campaign=campaign,
        round=round,
        include_unverified=unverified,
        sort=sort,
        limit=limit,
    )


def _sites(text: str | None) -> tuple[int | None, int | None]:
    """Limits from "1-40", "-40", "8-" or "8"."""
    from gnome_lite.core.errors import ConfigError

    if text is None:
        return None, None
    low, dash, high = text.strip().partition("-")
    if not all(part.isdecimal() for part in (low, high) if part) or not (low or high):
        raise ConfigError(f"--nsites {text!r} is not a range: write e.g. 1-40, 8- or 8")
    first = int(low) if low else None
    return first, (int(high) if high else None) if dash else first


def _print_table(found: Sequence[StoredCrystal]) -> None:
    from rich.table import Table

    table = Table(header_style="bold", pad_edge=False, box=None)
    left: Literal["left"] = "left"
    right: Literal["right"] = "right"
    for name, justify in (
        ("id", left), ("formula", left), ("space group", left), ("sites", right), ("above hull", right),
        ("formation", right), ("P(stable)", right), ("novel", left), ("suspect", left), ("round", right),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=name != "space group", overflow="fold")
    for c in found:
        group = f"{c.space_group} ({c.space_group_number})" if c.space_group_number is not None else "-"
        table.add_row(
            c.id, c.formula, group, str(c.n_sites), number(c.e_above_hull_ev_per_atom), number(c.e_form_ev_per_atom),
            number(c.p_stable, 2), yes_no(c.novel), yes_no(c.ordering_suspect), str(c.round),
        )  # fmt: skip
    if found:
        console().print(table)
    levels = sorted({c.level for c in found if c.level})
    stable = sum(bool(c.stable) for c in found)
    note = f" ({stable} surrogate-stable at level {', '.join(levels)}; energies in eV/atom)" if levels else ""
    say(f"{len(found)} crystal{'' if len(found) == 1 else 's'}{note}")


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits, "-" for what is not known; never "-0.000"."""
    return "-" if value is None else f"{value:.{digits}f}".replace(f"-{0:.{digits}f}", f"{0:.{digits}f}")


def yes_no(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"
