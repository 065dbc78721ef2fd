"""A copy of a store of one file, made while it may be in use: whole, or not there."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.core.errors import StoreError
from gnome_lite.store.check import check
from gnome_lite.store.connection import Database, parse_url

if TYPE_CHECKING:
    from gnome_lite.pipeline import Progress


def back_up(database: Database, path: Path, progress: Progress) -> None:
    """Copy a store to a file by SQLite's own backup, check the copy, and only then give it its name.

    Raises:
        StoreError: if the store is on a server or damaged, or the copy is there already or cannot be written.
    """
    if database.path is None:
        raise StoreError(f"{database.name} is no file: back it up with pg_dump")
    if path.exists():
        raise StoreError(f"{path} is there already: name another file for the backup")
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(partial)) as copy, database.reading() as connection:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            source.backup(copy)
        if faults := check(Database(parse_url(partial)), progress):
            raise StoreError(
                f"store {database.name} is damaged in {len(faults)} places, so no backup was made: "
                "`gnome-lite store check` names them"
            )
        os.replace(partial, path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot back up to {path}: {error}; nothing was left there") from error
    finally:
        partial.unlink(missing_ok=True)
