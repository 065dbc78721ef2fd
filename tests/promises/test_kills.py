"""Promise 1: SIGKILL anywhere loses nothing that was acknowledged, leaves nothing half-written, repeats no work."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from samples.fork_server import ForkServer
from soak import counted

from gnome_lite.assemble import open_store
from gnome_lite.settings import Settings

CONFIG_NAME, LEVEL = "tiny", "emt"
KILLS_A_CAMPAIGN = 10
# As `samples.tiny_campaign` has them, which is not imported here: it loads what a campaign needs.
WRITES = (
    "begin", "add_model", "add_candidates", "add_predictions", "add_selection", "add_verification", "add_verdicts",
    "add_report", "finish", "checkpoint",
)  # fmt: skip
FAULT_POINTS = [f"{when} {name}" for name in WRITES for when in ("before", "inside", "after")]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


class Uninterrupted:
    """The campaign as it is without any kill: what it finds, how long it takes, how often it comes to each write."""

    def __init__(self, server: ForkServer, home: Path) -> None:
        started = time.monotonic()
        assert server.run(home) == 0
        self.seconds = time.monotonic() - started
        self.found = contents(home)
        self.passed: dict[str, int] = json.loads(home.with_suffix(".passed").read_text())


@pytest.fixture(scope="module")
def uninterrupted(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    return Uninterrupted(server, tmp_path_factory.mktemp("campaign") / "uninterrupted")


def contents(home: Path) -> tuple[Any, ...]:
    """All that the campaign found, without the seconds it took."""
    store = open_store(Settings(home=home))
    reports = [asdict(r) | {"seconds": None} for r in store.reports(CONFIG_NAME)]
    rounds = range(1, len(reports) + 1)
    return (
        reports,
        [sorted(store.verdicts(CONFIG_NAME, r).items()) for r in rounds],
        [[(c.id, p) for c, p in store.predictions(CONFIG_NAME, r)] for r in rounds],
        [[(c.id, role) for c, role in store.selected(CONFIG_NAME, r)] for r in rounds],
        [(v.candidate_id, v.energy_ev, v.failure) for v in store.verifications(LEVEL)],
    )


def check(home: Path, deaths: int) -> None:
    """What must hold after any kill: the store is whole, has all that was acknowledged, and nothing twice."""
    store_file, ledger_file = home / "store.sqlite", home.with_suffix(".ledger")
    if not store_file.exists():
        return
    lines = [line.split() for line in ledger_file.read_text().splitlines()] if ledger_file.exists() else []
    begun = Counter(name for what, name in lines if what == "begun")
    acknowledged = Counter(name for what, name in lines if what == "acknowledged")
    assert all(n == 1 for n in acknowledged.values()), "verified twice"
    assert sum(n - 1 for n in begun.values()) <= deaths, "a death costs more than the relaxation that it interrupted"
    for at, (what, name) in enumerate(lines):
        assert (what, name) == ("acknowledged", name) or ["acknowledged", name] not in lines[:at], "verified again"
    with sqlite3.connect(store_file) as connection:  # rolls back what the journal holds, as any opening does
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    store = open_store(Settings(home=home), create=True)
    assert acknowledged.keys() <= {v.candidate_id for v in store.verifications(LEVEL)}, "lost"
    for campaign in store.status().campaigns:
        for r in campaign.rounds:
            wanted = {"generate": ("kept", r.candidates), "predict": ("predicted", r.predicted)}
            for step, (figure, rows) in wanted.items():
                assert r.steps[step][figure] == rows if step in r.steps else rows == 0, f"{step} is half-written"
            chosen = r.steps["acquire"]["chosen"] + r.steps["acquire"]["control"] if "acquire" in r.steps else 0
            assert r.selected == chosen, "acquire is half-written"


@pytest.mark.slow
@counted(3, 300, "kills", parts=5)
def test_killed_at_a_fault_point_it_goes_on(
    server: ForkServer, uninterrupted: Uninterrupted, tmp_path: Path, trials: range
) -> None:
    """Promise 1: 30 named fault points, before, within and after each write, ten times each."""
    for trial in trials:
        point, home = FAULT_POINTS[(7 * trial) % len(FAULT_POINTS)], tmp_path / f"{trial}"
        n = 1 + trial // len(FAULT_POINTS) % uninterrupted.passed[point.split()[1]]
        assert server.run(home, point, n) == -signal.SIGKILL, f"the campaign never comes to {point!r}"
        check(home, deaths=1)
        assert server.run(home) == 0
        check(home, deaths=1)
        assert contents(home) == uninterrupted.found, point


@pytest.mark.slow
@counted(6, 1000, "kills", parts=10)
def test_killed_at_any_time_it_goes_on(
    server: ForkServer, uninterrupted: Uninterrupted, tmp_path: Path, trials: range
) -> None:
    """Promise 1: kills at random times, up to ten of them in one campaign."""
    rng, home, deaths = random.Random(trials.start), tmp_path / "0", 0
    for trial in trials:
        killed = server.run(home, killed_after_s=rng.uniform(0.0, 0.6 * uninterrupted.seconds)) == -signal.SIGKILL
        deaths += killed
        check(home, deaths)
        if not killed or deaths == KILLS_A_CAMPAIGN or trial == trials[-1]:
            assert server.run(home) == 0
            assert contents(home) == uninterrupted.found
            home, deaths = tmp_path / f"{trial + 1}", 0
