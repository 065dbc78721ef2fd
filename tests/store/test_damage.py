"""One bit of a store's file turns over: what is read is as before, or an error that says so; never another answer.

Covers `checksums` and `wholeness`.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from samples.small_campaign import CRYSTALS, begin, higher, play_round, references, verdict

from gnome_lite.cli import main
from gnome_lite.core.errors import GnomeLiteError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.export import to_json

IDS = [c.content_id for c in CRYSTALS]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small store with everything in it: two campaigns, a higher level, a re-issued verdict."""
    store = SqlStore.open(tmp_path_factory.mktemp("sound") / "store.sqlite")
    begin(store)
    play_round(store, "first")
    higher(store)
    moved = verdict(CRYSTALS[1], 0.2, "hull-2")
    store.reissue_verdicts("first", [moved], "other references", "hull-2", {"moved": 1}, references(0.1))
    begin(store, "second", seed=7)
    # Small pages are full ones: hardly a bit of the file is left that nothing depends on.
    with closing(sqlite3.connect(store.name, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
    return Path(store.name)


def answers(path: Path) -> list[str | None]:
    """What `query --format json` prints, and all that `show` does of each crystal; None where an error says why not."""
    asked: list[Callable[[SqlStore], str]] = [
        lambda store: to_json(store.query()),
        lambda store: to_json(store.query(include_unverified=True)),
        *(lambda store, i=i: repr(store.show(i)) for i in IDS),  # type: ignore[misc]
    ]
    try:
        store = SqlStore.open(path, create=False)
    except GnomeLiteError:
        return [None] * len(asked)
    found: list[str | None] = []
    for ask in asked:
        try:
            found.append(ask(store))
        except GnomeLiteError:
            found.append(None)
    return found


def turned_over(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize(
    ("n", "seed"),
    [(40, 1), pytest.param(150, 2, marks=pytest.mark.slow), pytest.param(5000, 3, marks=pytest.mark.soak)],
)
def test_no_bit_that_turns_over_changes_an_answer(n: int, seed: int, sound: Path, tmp_path: Path) -> None:
    """Of the schema before this one, without checksums, 150 changed 11 answers and gave 5 tracebacks."""
    expected, content, rng = answers(sound), sound.read_bytes(), np.random.default_rng(seed)
    assert None not in expected
    path, refused = tmp_path / "store.sqlite", 0
    for _ in range(n):
        path.write_bytes(turned_over(content, rng))
        found = answers(path)
        assert all(now in (None, before) for before, now in zip(expected, found, strict=True))
        refused += None in found
    assert refused > n / 4  # most bits matter


def test_the_command_line_says_so_in_one_line(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(sound, tmp_path / "store.sqlite")
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE prediction SET spread_ev_per_atom = 0.0200001")
    for command in (("query", "--format", "json"), ("show", IDS[0])):
        assert main([*command, "--home", str(tmp_path)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("error: the store is damaged: prediction 'first' 1 'gl-")
        assert printed.err.count("\n") == 1
