"""`query`: which crystals of the store, by elements, hull distance, size, symmetry and novelty."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnome_lite.cli.common import FORMAT, Home, number, plural, print_lines, print_table, say, store_of, yes_no
from gnome_lite.store.query import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnome_lite.store.query import StoredCrystal


Format = Literal["table", "json", "ndjson", "csv"]
_OPTIONS = {f.name: f for f in fields(Query) if f.metadata}


def option(name: str) -> Any:
    """Return the option of a field of `Query`."""
    about = _OPTIONS[name].metadata
    return typer.Option(*about["flags"], metavar=about["metavar"], help=about["help"])


Elements = Annotated[str | None, option("elements")]
Chemsys = Annotated[str | None, option("chemical_system")]
Campaign = Annotated[str | None, option("campaign")]


def _parameter(name: str) -> inspect.Parameter:
    """Return the parameter of a command for a field of `Query`; what is not given is None, or False for a flag."""
    kind, default = _OPTIONS[name].metadata["kind"], _OPTIONS[name].default
    annotation: Any = Annotated[kind if default is False else kind | None, option(name)]
    default = None if default == () else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `Query`, in place of its parameter `wanted`, that query."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "wanted"]
    parameters = [*map(_parameter, _OPTIONS), *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own)]

    @wraps(command)
    def run(**given: Any) -> None:
        command(wanted=Query.make(**{name: given.pop(name) for name in _OPTIONS}), **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


@with_filters
def query(
    wanted: Query,
    format: Annotated[Format, FORMAT] = "table",
    home: Home = None,
) -> None:
    """List crystals of the store; nothing found is no error."""
    found = store_of(home).query(wanted)
    if format == "table":
        _print_table(found)
    else:
        from gnome_lite.store import export

        write = {"json": export.to_json, "ndjson": export.to_ndjson, "csv": export.to_csv}[format]
        print_lines(write(found))


def _print_table(crystals: Sequence[StoredCrystal]) -> None:
    numbers = ("sites", "above hull", "formation", "P(stable)")
    names = ("id", "formula", "space group", *numbers, "novel", "suspect", "round")
    rows = []
    for c in crystals:
        group = f"{c.space_group} ({c.space_group_number})" if c.space_group_number is not None else "-"
        energies = number(c.e_above_hull_ev_per_atom), number(c.e_form_ev_per_atom), number(c.p_stable, 2)
        new = c.novelty if c.novel and c.novelty else yes_no(c.novel)
        flags = new, yes_no(c.ordering_suspect)
        rows.append((c.id, c.formula, group, str(c.n_sites), *energies, *flags, str(c.round)))
    if rows:
        print_table(names, rows, right=(*numbers, "round"), wrapped=["space group", "novel"])
    levels = sorted({c.level for c in crystals if c.level})
    stable = sum(bool(c.stable) for c in crystals)
    note = f" ({stable} surrogate-stable at level {', '.join(levels)}; energies in eV/atom)" if levels else ""
    say(f"{plural(len(crystals))}{note}")
