"""What must hold of a tiny campaign after any death: read from its store and from the ledger outside it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gnome_lite.assemble import open_store
from gnome_lite.settings import Settings

NAME, LEVEL = "tiny", "emt"


def contents(home: Path) -> tuple[Any, ...]:
    """All that the campaign found, without the seconds it took."""
    store = open_store(Settings(home=home))
    reports = [asdict(r) | {"seconds": None} for r in store.reports(NAME)]
    rounds = range(1, len(reports) + 1)
    return (
        reports,
        [sorted(store.verdicts(NAME, r).items()) for r in rounds],
        [[p for _, p in store.predictions(NAME, r)] for r in rounds],
        [[(c.id, role) for c, role in store.selected(NAME, r)] for r in rounds],
        [(v.candidate_id, v.energy_ev, v.failure) for v in store.verifications(LEVEL)],
    )


def noted(home: Path) -> list[tuple[str, str]]:
    """The ledger: (begun or acknowledged, candidate), as it was written."""
    file = home.with_suffix(".ledger")
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[0], line.split()[1]) for line in lines]


def check(home: Path, deaths: int) -> None:
    """The store is whole, has all that was acknowledged, and no work was done again but what a death interrupted."""
    if not (home / "store.sqlite").exists():
        return
    lines = noted(home)
    begun = Counter(name for what, name in lines if what == "begun")
    acknowledged = Counter(name for what, name in lines if what == "acknowledged")
    assert all(n == 1 for n in acknowledged.values()), "verified twice"
    assert sum(n - 1 for n in begun.values()) <= deaths, "a death costs more than the relaxation that it interrupted"
    for at, (what, name) in enumerate(lines):
        assert what == "acknowledged" or ("acknowledged", name) not in lines[:at], "relaxed again"
    check_rows(home)
    stored = {v.candidate_id for v in open_store(Settings(home=home)).verifications(LEVEL)}
    assert acknowledged.keys() <= stored, "lost"


def check_rows(home: Path) -> None:
    """The database is sound, and each step has the rows that its figures tell of, or none."""
    store = open_store(Settings(home=home), create=True)
    with sqlite3.connect(home / "store.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    for campaign in store.status().campaigns:
        for r in campaign.rounds:
            wanted = {
                "generate": (r.candidates, ("kept",)),
                "predict": (r.predicted, ("predicted",)),
                "acquire": (r.selected, ("chosen", "control")),
            }
            for step, (rows, figures) in wanted.items():
                assert rows == sum(r.steps.get(step, {}).get(f, 0) for f in figures), f"{step} is half-written"
