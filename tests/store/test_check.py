"""Everything that is wrong with a store is named by table and row; a backup is whole or not there.

Covers `backup`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, verification

from gnome_lite.core.errors import StoreError
from gnome_lite.pipeline import silent
from gnome_lite.store.backup import back_up
from gnome_lite.store.check import Fault, check
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

IDS = [c.content_id for c in CRYSTALS]


def damaged_by(store: SqlStore, *statements: str) -> Database:
    """Change a store behind its own back."""
    with sqlite3.connect(store.name) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return Database(parse_url(store.name))


def faults(database: Database) -> set[tuple[str, str, str]]:
    return {(f.table, f.row, f.what) for f in check(database, silent)}


def test_a_store_as_it_was_written_has_no_fault(played: SqlStore) -> None:
    assert check(Database(parse_url(played.name)), silent) == []


UNLIKE = "is not as it was written"
READS: dict[str, Callable[[SqlStore], object]] = {
    "query": lambda s: s.query(Query(include_unverified=True)),
    "show": lambda s: s.show(IDS[0]),
    "verifications": lambda s: s.verifications(LEVEL),
    "verified_batch": lambda s: s.verified_batch(LEVEL),
    "predictions": lambda s: s.predictions("first", 1),
    "predicted_and_verified": lambda s: s.predicted_and_verified("first", 2),
    "verdicts": lambda s: s.verdicts("first"),
    "selected": lambda s: s.selected("first", 1),
    "done": lambda s: s.done("first", 1, "generate"),
    "model": lambda s: s.model("first", 1),
    "reports": lambda s: s.reports("first"),
    "status": lambda s: s.status(),
}


@pytest.mark.parametrize(
    ("statement", "table", "row", "reads"),
    [
        ("UPDATE candidate SET n_sites = 3", "candidate", repr(IDS[0]), ["query", "show", "predictions", "selected"]),
        (
            "UPDATE crystal SET content = zeroblob(length(content))",
            "crystal",
            f"{IDS[0]!r} ''",
            ["query", "show", "predictions", "verified_batch", "predicted_and_verified"],
        ),
        ("UPDATE crystal SET content = 'text'", "crystal", f"{IDS[0]!r} ''", ["query", "show", "predictions"]),
        (
            "UPDATE verification SET energy_ev = -9.000001",
            "verification",
            f"{IDS[0]!r} {LEVEL!r}",
            ["query", "show", "verifications", "verified_batch", "predicted_and_verified"],
        ),
        ("UPDATE prediction SET p_stable = 0.9000001", "prediction", f"'first' 1 {IDS[0]!r}", ["query", "predictions"]),
        ("UPDATE verdict SET e_above_hull_ev_per_atom = 1e-9", "verdict", "1", ["query", "show", "verdicts"]),
        ("UPDATE selection SET rank = rank + 1", "selection", f"'first' '{LEVEL}' 1 {IDS[0]!r}", ["show", "selected"]),
        ("UPDATE judgement SET cause = 'jugded'", "judgement", "1", ["show"]),
        ("UPDATE campaign SET n_references = 7", "campaign", "'first'", ["show", "status"]),
        ("UPDATE stage SET figures = '{}'", "stage", "'first' 1 'generate'", ["done", "status"]),
        ("UPDATE model SET n_train = 91", "model", "'first' 0", ["model", "status"]),
        ("UPDATE report SET body = replace(body, '100', '101')", "report", "'first' 1", ["reports"]),
    ],
)  # fmt: skip
def test_a_row_that_changed_is_named_and_never_read(
    played: SqlStore, statement: str, table: str, row: str, reads: list[str]
) -> None:
    before = [READS[read](played) for read in reads]
    assert all(found is not None for found in before)
    database = damaged_by(played, statement)
    assert (table, row, UNLIKE) in faults(database)
    for read in reads:
        with pytest.raises(
            StoreError, match=rf"damaged: {table} .* is not as it was written; `gnome-lite store check`"
        ):
            READS[read](played)


def test_a_crystal_under_another_id_is_found_though_its_row_is_sealed(played: SqlStore) -> None:
    """The content hash knows better than a checksum that was made for the wrong crystal."""
    from gnome_lite.store import schema
    from gnome_lite.store.checksums import sealed
    from gnome_lite.store.codec import encode_crystal

    row = sealed(schema.crystal, {"candidate_id": IDS[0], "level": "", "content": encode_crystal(CRYSTALS[1])})
    with sqlite3.connect(played.name) as connection:
        change = "UPDATE crystal SET content = ?, checksum = ? WHERE candidate_id = ? AND level = ''"
        connection.execute(change, (row["content"], row["checksum"], IDS[0]))
    connection.close()
    assert faults(Database(parse_url(played.name))) == {("crystal", f"{IDS[0]!r} ''", f"is the crystal of {IDS[1]}")}
    with pytest.raises(StoreError, match="damaged: crystal"):
        played.show(IDS[0])
    with pytest.raises(StoreError, match="damaged: crystal"):
        played.query()


def test_rows_that_are_missing_are_named(played: SqlStore) -> None:
    database = damaged_by(
        played,
        f"DELETE FROM crystal WHERE candidate_id = '{IDS[0]}'",
        f"DELETE FROM candidate WHERE id = '{IDS[5]}'",
        "DELETE FROM judgement",
    )
    found = {(f.table, f.what) for f in check(database, silent)}
    assert ("verification", "refers to a row of crystal that is not there") in found
    assert ("candidate", "has no crystal as proposed") in found
    assert ("prediction", "refers to a row of candidate that is not there") in found
    for read in ("query", "show", "verifications", "verified_batch", "predictions"):
        with pytest.raises(StoreError, match="is missing"):
            READS[read](played)


def test_flags_of_verdicts_are_worked_out_anew(played: SqlStore) -> None:
    database = damaged_by(played, "UPDATE verdict SET latest = 0 WHERE serial = 2")
    (fault,) = check(database, silent)
    assert fault == Fault("verdict", "2", "latest is False, though it is the last", "restore a backup")


def test_damaged_pages_and_a_cut_file_are_refused_at_opening(played: SqlStore) -> None:
    path = Path(played.name)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 4096)
    with pytest.raises(StoreError, match=rf"damaged \(the file has {len(whole) + 4096} bytes, not {len(whole)}\)"):
        SqlStore.open(path)
    path.write_bytes(whole[:-4096])
    with pytest.raises(StoreError, match="restore a backup"):
        SqlStore.open(path)
    path.write_bytes(whole)
    database = damaged_by(played, "DROP INDEX ix_verdict_latest")
    with pytest.raises(StoreError, match="its tables or indices are not those it was made with"):
        SqlStore.open(path)
    path.write_bytes(whole)
    damaged_by(played, "CREATE TABLE notes (mine TEXT)")  # what else lies there is nobody's business
    SqlStore.open(path)
    damaged_by(played, "UPDATE meta SET value = '4' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match="of schema 4 and of 7"):
        SqlStore.open(path)
    assert database.path is not None


def test_a_backup_is_the_store(played: SqlStore, tmp_path: Path) -> None:
    copy, database = tmp_path / "copy.sqlite", Database(parse_url(played.name))
    back_up(database, copy, silent)
    restored = SqlStore.open(copy, create=False)
    assert [c.id for c in restored.query()] == [c.id for c in played.query()]
    played.add_verification("first", 1, verification(CRYSTALS[5]))
    assert len(restored.verifications(LEVEL)) == 5
    with pytest.raises(StoreError, match="is there already: name another file"):
        back_up(database, copy, silent)
    with pytest.raises(StoreError, match="cannot back up to"):
        back_up(database, tmp_path / "no" / "copy.sqlite", silent)
    with pytest.raises(StoreError, match="no backup was made"):
        back_up(damaged_by(played, "UPDATE candidate SET n_sites = 3"), tmp_path / "other.sqlite", silent)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.sqlite", "store.sqlite"]
