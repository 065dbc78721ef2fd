"""Opening a store: made, refused, or brought to the present schema, whole at any moment.

Covers `alembic.env`, `schema_2`, `schema_3`, `schema_4`, `schema_5`, `schema_6` and `schema_7`.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from samples.small_campaign import CRYSTALS, LEVEL, begin, play_round, prediction, verdict

from gnome_lite.core.errors import StoreError
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.records import Credibility
from gnome_lite.store import schema
from gnome_lite.store.connection import Database, parse_url
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

IDS = [c.content_id for c in CRYSTALS]
FORMULAS = [c.reduced_formula for c in CRYSTALS]
R2SCAN, MACE = "chgnet-r2scan-0.3.0", "mace-mpa-0-medium"
OLD = range(1, schema.SCHEMA_VERSION)


def store_of_schema(version: int, directory: Path) -> Path:
    """A store as an older gnome_lite left it."""
    path = directory / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((Path(__file__).parent / f"schema_{version}.sql").read_text(encoding="utf-8"))
    return path


def versions(path: Path | str) -> list[tuple[str]]:
    """What the store says of its schema: to every gnome_lite, and to Alembic."""
    with sqlite3.connect(path) as connection:
        query = "SELECT value FROM meta WHERE key = 'schema_version' UNION ALL SELECT version_num FROM alembic_version"
        return connection.execute(query).fetchall()


def test_open_makes_directories_or_says_what_is_wrong(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "store.sqlite"
    with pytest.raises(StoreError, match=r"there is no store at .*gnome-lite run"):
        SqlStore.open(deep, create=False)
    assert not deep.parent.exists()
    assert SqlStore.open(deep).name == str(deep)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot make"):
        SqlStore.open(tmp_path / "file" / "store.sqlite")
    (tmp_path / "text.sqlite").write_text("no database at all " * 100)
    with pytest.raises(StoreError, match="not a database"):
        SqlStore.open(tmp_path / "text.sqlite")
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(StoreError, match="another program"):
        SqlStore.open(tmp_path / "other.sqlite")
    with pytest.raises(StoreError, match="unable to open"):
        SqlStore.open(tmp_path)
    for url in ("mysql://host/db", "sqlite://", "postgresql://:bad:port:/"):
        with pytest.raises(StoreError) as error:
            SqlStore.open(url)
        assert "\n" not in str(error.value)


def test_a_newer_store_is_refused(played: SqlStore) -> None:
    with sqlite3.connect(played.name) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match=r"is of schema 99, this gnome_lite knows 7: upgrade gnome_lite"):
        SqlStore.open(played.name)


def test_a_store_in_memory_is_a_store_and_its_own(tmp_path: Path) -> None:
    store, other = SqlStore.in_memory(), SqlStore.in_memory()
    begin(store)
    with store.exclusive("first"):
        play_round(store, "first")
    assert len(store.query(Query())) == 4
    assert other.status().campaigns == ()
    with ThreadPoolExecutor(4) as pool:  # its one connection is used in turn
        assert set(pool.map(lambda _: len(store.verifications(LEVEL)), range(20))) == {5}
    with pytest.raises(StoreError, match="refused a row"):
        store.add_predictions("first", 2, [prediction(CRYSTALS[0], 2.0)], {})
    assert store.done("first", 2, "predict") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", OLD)
def test_a_migrated_store_has_the_tables_of_a_new_one(version: int, tmp_path: Path) -> None:
    path = store_of_schema(version, tmp_path)
    store = SqlStore.open(path)
    assert (tmp_path / f"old.sqlite.schema-{version}.bak").exists()
    assert versions(path) == versions(SqlStore.open(tmp_path / "new.sqlite").name) == [("7",), ("7",)]
    with Database(parse_url(path)).reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
    play_round(store, "first", 1)
    assert store.query(Query())[0].campaign == "first"
    SqlStore.open(path)


def test_climbs_of_schema_4_are_rows_of_their_levels(tmp_path: Path) -> None:
    """The sample's ladder: three crystals planned for r2SCAN in round 1, two judged there and one at a third level;
    NaMnF3 moves in round 2; a plan of each later round is not carried out yet."""
    store = SqlStore.open(store_of_schema(4, tmp_path))
    lif, nacl, kcl, namnf3 = IDS[:4]
    assert [c.id for c, _ in store.selected("first", 1, R2SCAN)] == [lif, namnf3, nacl]
    assert [v.candidate_id for v in store.outcomes("first", 1, R2SCAN)] == [lif, namnf3, nacl]
    assert [(c.id, role) for c, role in store.selected("first", 2, MACE)] == [(namnf3, "chosen")]
    assert [c.id for c, _ in store.selected("first", 3, R2SCAN)] == [kcl]
    assert store.selected("first", 2, R2SCAN) == []
    assert len(store.selected("first", 1)) == 5
    first, now = store.verdicts("first", 1, R2SCAN), store.verdicts("first", level=R2SCAN)
    assert {i: v.e_above_hull_ev_per_atom for i, v in first.items()} == {lif: 0.0, namnf3: 0.02}
    assert {i: v.e_above_hull_ev_per_atom for i, v in now.items()} == {lif: 0.0, namnf3: 0.05}
    own = store.verdicts("first")
    assert len(own) == 4
    looks = ("novel", "nearest_known", "prototype", "credibility")
    assert [getattr(now[lif], name) for name in looks] == [getattr(own[lif], name) for name in looks]
    assert (now[lif].products, now[lif].hull_id, now[lif].level) == ((), "", R2SCAN)
    # One verdict each is issued at the third level, though it is told of in two rounds.
    issued = [(v.round, v.verdict.level, v.cause) for v in store.show(lif).verdicts]
    assert issued == [(1, LEVEL, "judged"), (1, R2SCAN, "judged"), (1, MACE, "judged")]
    assert store.done("first", 1, "acquire") == {"chosen": 4}
    assert store.done("first", 1, f"acquire {R2SCAN}") == {"chosen": 3}
    levels = (store.done("first", 1, "levels") or {})["levels"]
    assert levels["chgnet-r2scan"]["phases_failed"] == {"timeout": 1}
    assert (store.done("first", 1, f"judge {R2SCAN}") or {})["phases"] == 4
    assert store.done("first", 1, "climb") is None


KILLED = """
    import os, signal, sys
    from sqlalchemy import Engine, event
    from gnome_lite.store.database import SqlStore

    left = int(sys.argv[2])

    @event.listens_for(Engine, "before_cursor_execute")
    def count(connection, cursor, statement, *_):
        global left
        if statement.lstrip().upper().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    SqlStore.open(sys.argv[1])
"""


@pytest.mark.parametrize(("version", "statements"), [(1, (0, 12, 45, 95)), (5, (8, 28))])
def test_killed_while_migrating_it_is_of_one_schema_or_the_other(
    version: int, statements: tuple[int, ...], tmp_path: Path
) -> None:
    """Killed before each of some of its statements, from the first to one of the last, which write the checksums."""
    untouched = store_of_schema(version, tmp_path)
    before = untouched.read_bytes()
    for after in statements:
        path = tmp_path / f"killed-{after}.sqlite"
        shutil.copy(untouched, path)
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(after)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert Path(f"{path}.schema-{version}.bak").read_bytes() == before
        with sqlite3.connect(path) as connection:  # rolls back what the journal holds
            assert connection.execute("SELECT value FROM meta").fetchall() == [(str(version),)]
            later = ["fence", "judgement"] if version < 3 else ["fence"]
            query = f"SELECT 1 FROM sqlite_master WHERE name IN ({', '.join('?' * len(later))})"
            assert connection.execute(query, later).fetchall() == []
        assert len(SqlStore.open(path).verifications(LEVEL)) == 5
        assert versions(path) == [("7",), ("7",)]


def test_a_store_of_schema_1_opens_with_everything_in_it(tmp_path: Path) -> None:
    store = SqlStore.open(store_of_schema(1, tmp_path))
    assert (tmp_path / "old.sqlite.schema-1.bak").exists()
    assert store.status().schema_version == 7
    assert [v.candidate_id for v in store.verifications(LEVEL)] == sorted(IDS[:5])
    verdicts = store.verdicts("first", 1)
    assert len(verdicts) == 4
    for v in verdicts.values():
        assert (v.prototype, v.credibility) == ("", Credibility(False, (), None, False))
    (candidate,) = store.candidates_with_formulas([FORMULAS[0]])[FORMULAS[0]]
    assert candidate.multiplicity == 1
    (old,) = store.reports("first")
    assert (old.new_prototypes, dict(old.by_generator), dict(old.skipped)) == (0, {}, {})
    # It takes new rows like any other.
    play_round(store, "first", 1)
    assert store.verdicts("first", 1)[IDS[0]].prototype == "AB_cF8_225_a_b"


def test_a_store_of_schema_2_keeps_its_verdicts_and_takes_new_ones_between_rounds(tmp_path: Path) -> None:
    store = SqlStore.open(store_of_schema(2, tmp_path))
    assert (tmp_path / "old.sqlite.schema-2.bak").exists()
    assert store.status().schema_version == 7
    first, second = store.show(IDS[0]).verdicts
    assert (first.cause, second.cause) == ("judged", "judged")
    assert (first.round, first.verdict, second.round) == (1, verdict(CRYSTALS[0], 0.0), 2)
    assert second.verdict.e_above_hull_ev_per_atom == 0.07
    assert {i: v.hull_id for i, v in store.verdicts("first", 1).items()} == dict.fromkeys(IDS[:4], "hull-1")
    (campaign,) = store.status().campaigns
    assert campaign.rounds[0].judged == 4
    again = verdict(CRYSTALS[0], 0.02, "hull-3")
    store.reissue_verdicts("first", [again], "other references", "hull-3", {"moved": 1})
    assert store.verdicts("first")[IDS[0]] == again
    assert [v.cause for v in store.show(IDS[0]).verdicts] == ["judged", "judged", "other references"]


def test_a_store_of_schema_3_keeps_its_predictions_and_takes_ones_with_an_expected_improvement(tmp_path: Path) -> None:
    store = SqlStore.open(store_of_schema(3, tmp_path))
    assert (tmp_path / "old.sqlite.schema-3.bak").exists()
    before = [p for _, p in store.predictions("first", 1)]
    assert len(before) == 6
    assert {p.expected_improvement_ev_per_atom for p in before} == {None}
    (old,) = store.reports("first")
    assert (old.expected_hit_rate, old.kept) == (None, None)
    after = [replace(p, expected_improvement_ev_per_atom=0.01) for p in before]
    store.add_predictions("first", 2, after, {})
    assert [p for _, p in store.predictions("first", 2)] == after


def test_a_store_of_schema_6_keeps_the_checksums_of_its_verdicts_and_takes_kinds_of_novelty(tmp_path: Path) -> None:
    """Sealed anew, a verdict that was damaged before would pass for sound."""
    path = store_of_schema(6, tmp_path)
    sums = "SELECT serial, checksum FROM verdict ORDER BY serial"
    with sqlite3.connect(path) as connection:
        before = connection.execute(sums).fetchall()
        connection.execute("UPDATE verdict SET e_form_ev_per_atom = -9 WHERE candidate_id = ?", (IDS[1],))
    store = SqlStore.open(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute(sums).fetchall() == before
    with pytest.raises(StoreError, match=r"verdict \d+ is not as it was written"):
        store.verdicts("first")
    assert {c.novelty for c in store.query(Query(formula="LiF"))} == {None}
    new = replace(verdict(CRYSTALS[0], 0.0), novelty=NoveltyKind.STRUCTURE)
    store.reissue_verdicts("first", [new], "other references", "hull-3", {})
    assert [c.novelty for c in store.query(Query(formula="LiF", campaign="first"))] == ["new structure"]
    assert store.show(IDS[0]).standing[LEVEL].verdict.novelty is NoveltyKind.STRUCTURE
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE verdict SET novelty = NULL WHERE novelty = 'new structure'")
    with pytest.raises(StoreError, match=r"verdict \d+ is not as it was written"):
        store.show(IDS[0])
