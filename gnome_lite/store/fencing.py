"""Fencing numbers: a process that has lost a campaign's lock without knowing it cannot write any more.

A server that cuts the connection which holds the lock, or a lock file that somebody removes, lets in a second process
while the first still runs. So whoever takes the lock counts up a number kept in the store, and each of its writes
looks, in its own transaction, that the number is still the newest.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from gnome_lite.core.errors import StoreError
from gnome_lite.store import schema
from gnome_lite.store.writes import insert


def take_over(connection: Connection, campaign: str) -> int:
    """Count up a campaign's number, and return it: whoever wrote with an earlier one is refused from now on."""
    table = schema.fence
    insert(connection, table, [{"campaign": campaign, "number": 0}], ignore=True)
    counted = table.update().where(table.c.campaign == campaign).values(number=table.c.number + 1)
    return int(connection.execute(counted.returning(table.c.number)).scalar_one())


def require_newest(connection: Connection, held: Mapping[str, int]) -> None:
    """Let a transaction write only while the numbers that its process holds are the newest.

    On a server the rows stay locked until the transaction ends, so nobody takes over in the middle of it; SQLite has
    one writer at a time anyway.

    Raises:
        StoreError: naming the campaign that another process took over.
    """
    if not held:
        return
    table = schema.fence
    mine = select(table.c.campaign, table.c.number).where(table.c.campaign.in_(held))
    newest = dict(connection.execute(mine.with_for_update(read=True)).tuples().all())
    for campaign, number in held.items():
        if newest.get(campaign) != number:
            raise StoreError(
                f"another process took over campaign {campaign!r}: this one stops; nothing was half-written"
            )
