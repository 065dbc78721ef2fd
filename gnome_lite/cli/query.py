"""`query`: which crystals of the store, by elements, hull distance, size, symmetry and novelty."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnome_lite.cli.common import Home, console, say, store_of
from gnome_lite.store.query import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnome_lite.store.query import StoredCrystal


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


_OPTIONS = {f.name: f for f in fields(Query) if f.metadata}


def option(name: str) -> Any:
    """Return the option of a field of `Query`."""
    about = _OPTIONS[name].metadata
    return typer.Option(*about["flags"], metavar=about["metavar"], help=about["help"])


Elements = Annotated[str | None, option("elements")]
Chemsys = Annotated[str | None, option("chemical_system")]
Campaign = Annotated[str | None, option("campaign")]


def _annotation(name: str) -> Any:
    kind, default = _OPTIONS[name].metadata["kind"], _OPTIONS[name].default
    return Annotated[kind if default is False else kind | None, option(name)]


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `Query`, in place of its parameter `wanted`, that query."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    filters = [
        inspect.Parameter(name, keyword, default=f.default if f.default != () else None, annotation=_annotation(name))
        for name, f in _OPTIONS.items()
    ]
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "wanted"]
    parameters = [*filters, *(p.replace(kind=keyword) for p in own)]

    @wraps(command)
    def run(**given: Any) -> None:
        command(wanted=Query.make(**{name: given.pop(name) for name in _OPTIONS}), **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


@with_filters
def query(
    wanted: Query,
    format: Annotated[Format, typer.Option("--format", "-f", help="Of the output.")] = Format.TABLE,
    home: Home = None,
) -> None:
    """List crystals of the store; nothing found is no error."""
    found = store_of(home).query(wanted)
    if format is Format.TABLE:
        _print_table(found)
    else:
        from gnome_lite.store import export

        write = {Format.JSON: export.to_json, Format.NDJSON: export.to_ndjson, Format.CSV: export.to_csv}[format]
        sys.stdout.write(write(found))


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
