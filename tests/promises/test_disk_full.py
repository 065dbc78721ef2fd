"""Promise 4: a full disk is said in one line, leaves nothing half-written, and work goes on when there is space.

The disk is full for one child process alone: none of its files can grow beyond a size (RLIMIT_FSIZE), or its database
beyond some pages.
"""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples.checkpoints import made
from samples.forked import Tell, told
from samples.small_campaign import CRYSTALS, LEVEL, begin, play_round, pool, prediction, report, verdict, verification
from soak import counted
from sqlalchemy import Engine, event

from gnome_lite.core.crystals import Crystal
from gnome_lite.predict import checkpoint
from gnome_lite.store.database import SqlStore

SIZES = 100
"""Each way of running out of space is tried at as many sizes, evenly from nothing to what is needed."""
MORE = tuple(
    Crystal.make(c.numbers, c.frac_coords, c.lattice + 1e-2 * (k + 1)) for k in range(20) for c in CRYSTALS[:5]
)
IDS = [c.content_id for c in MORE]
STEPS: dict[str, Callable[[SqlStore], Any]] = {
    "generate": lambda s: s.add_candidates("first", pool(MORE, 2), ["f"] * len(MORE), {"kept": len(MORE)}),
    "predict": lambda s: s.add_predictions("first", 2, [prediction(c, 0.5) for c in MORE], {}),
    "acquire": lambda s: s.add_selection("first", 2, IDS[:40], IDS[40:60], {}),
    "verify": lambda s: [s.add_verification("first", 2, verification(c)) for c in MORE[:60:6]],
    "judge": lambda s: s.add_verdicts("first", 2, [verdict(c, 0.1) for c in MORE[:60:6]], {}),
    "report": lambda s: s.add_report("first", report(2)),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = SqlStore.open(tmp_path_factory.mktemp("stores") / "played.sqlite")
    begin(store)
    play_round(store, "first")
    return Path(store.name)


@pytest.fixture(scope="module")
def whole(template: Path) -> tuple[int, tuple[Any, ...]]:
    """How many bytes a second round adds, and what the store holds after it."""
    path = Path(shutil.copy(template, template.with_name("whole.sqlite")))
    store = SqlStore.open(path)
    for step in STEPS.values():
        step(store)
    return path.stat().st_size - template.stat().st_size, contents(store)


def contents(store: SqlStore) -> tuple[Any, ...]:
    (status,) = store.status().campaigns
    return (
        [(r.round, r.candidates, r.predicted, r.selected, r.verified, r.judged) for r in status.rounds],
        [[p for _, p in store.predictions("first", r)] for r in (1, 2)],
        [[(c.id, role) for c, role in store.selected("first", r)] for r in (1, 2)],
        [(v.candidate_id, v.energy_ev) for v in store.verifications(LEVEL) if v.ok],
        store.verdicts("first"),
        store.reports("first"),
    )


def no_larger(n_bytes: int) -> None:
    """From now on no file of this process grows beyond a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def no_more_pages(path: Path, n_bytes: int) -> None:
    """From now on no database that this process opens grows beyond a size."""
    pages = n_bytes // 4096 + 1
    event.listen(Engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"))


@counted(6, 2 * SIZES, "sizes", parts=2)
def test_the_store_is_whole_and_goes_on(
    template: Path, whole: tuple[int, tuple[Any, ...]], tmp_path: Path, trials: range
) -> None:
    """Promise 4: a store that cannot grow, at 100 sizes of file (RLIMIT_FSIZE) and 100 of database (pages)."""
    growth, expected = whole
    refused = 0
    for trial in trials:
        path = Path(shutil.copy(template, tmp_path / f"{trial}.sqlite"))
        way, size = trial % 2, 37 * (trial // 2) % SIZES
        limit = path.stat().st_size + growth * size // SIZES

        def play(tell: Tell, path: Path = path, way: int = way, limit: int = limit) -> None:
            if way == 0:
                no_larger(limit)
            else:
                no_more_pages(path, limit)
            store = SqlStore.open(path)
            for name, step in STEPS.items():
                step(store)
                tell(name)

        _, said = told(play)
        if said and said[-1].startswith("error: "):
            refused += 1
            assert str(path) in said[-1]
            assert "nothing was half-written" in said[-1], said[-1]
            said.pop()
        assert said == list(STEPS)[: len(said)], said
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        store = SqlStore.open(path)
        marks = [name for name in STEPS if name not in ("verify", "report")]
        assert [n for n in marks if store.done("first", 2, n) is not None] == [n for n in marks if n in said]
        for step in STEPS.values():
            step(store)
        assert contents(store) == expected
        path.unlink()
    assert refused > len(trials) / 2


@counted(3, SIZES, "sizes")
def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path, trials: range) -> None:
    """Promise 4: a checkpoint that cannot be written whole, at 100 sizes of its files."""
    checkpoint.write(made(), tmp_path / "model")
    largest = max(p.stat().st_size for p in (tmp_path / "model").iterdir())
    for trial in trials:
        limit, path = largest * (trial * SIZES // trials.stop) // SIZES, tmp_path / f"model-{trial}"
        checkpoint.write(made(seed=1), path)

        def write(tell: Tell, path: Path = path, limit: int = limit) -> None:
            no_larger(limit)
            checkpoint.write(made(), path)

        _, (said,) = told(write)
        assert said.startswith("error: cannot write model"), said
        assert checkpoint.read(path).card == made(seed=1).card
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".", path.name))] == [path.name]
        checkpoint.write(made(), path)
        assert checkpoint.read(path).card == made().card
        shutil.rmtree(path)
