"""Elements and size of a cell as conditions of a query, and whether few crystals satisfy them.

Elements are compared as two bit masks a row, so that "has Li and O but no F" is arithmetic on integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, select

from gnome_lite.store import schema
from gnome_lite.store.codec import element_masks
from gnome_lite.store.query import Query

FEW = 2000
"""Of so many crystals those with a verdict are looked up and sorted; with more, the page is met in an index's order."""

FEW_OF_ONE_KIND = 3000
"""Likewise where the order goes with the elements, and all hits of a page may stand far down in it."""
ORDERS_BY_KIND = ("formula", "e_form")

_C = schema.candidate.c


def of_contents(query: Query, n_sites: ColumnElement[int] = _C.n_sites) -> Iterator[ColumnElement[bool]]:
    """Return the conditions on the elements and the size of a cell."""
    for name, satisfied in (
        ("elements", lambda column, mask: column.bitwise_and(mask) == mask),
        ("only", lambda column, mask: column.bitwise_and(mask) == column),
        ("exclude", lambda column, mask: column.bitwise_and(mask) == 0),
    ):
        if numbers := query.numbers(name):
            for column, mask in zip((_C.elements_low, _C.elements_high), element_masks(numbers), strict=True):
                yield satisfied(column, mask)
    low, high = query.site_range()
    if low is not None:
        yield n_sites >= low
    if high is not None:
        yield n_sites <= high


def few_with(connection: Connection, query: Query) -> Sequence[str] | None:
    """Return the ids of the candidates with the elements and the size asked for; None if any, or more than FEW, have.

    An index has all that is compared; it is gone through until too many are met. Where chemical system or formula is
    given, its own index serves.
    """
    conditions = [*of_contents(query)]
    if not conditions or query.chemical_system is not None or query.formula is not None:
        return None
    few = FEW_OF_ONE_KIND if query.sort in ORDERS_BY_KIND else FEW
    found = connection.execute(select(_C.id).where(*conditions).limit(few + 1)).scalars().all()
    return found if len(found) <= few else None
