"""Promise 1: SIGKILL anywhere loses nothing that was acknowledged, leaves nothing half-written, repeats no work."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest
from samples.fork_server import ForkServer
from samples.ledger import check, contents
from soak import counted

KILLS_A_CAMPAIGN = 10
# As `samples.tiny_campaign` has them, which is not imported here: it loads what a campaign needs.
WRITES = (
    "begin", "add_model", "add_candidates", "add_predictions", "add_selection", "add_verification", "add_verdicts",
    "add_report", "finish", "checkpoint",
)  # fmt: skip
FAULT_POINTS = [f"{when} {name}" for name in WRITES for when in ("before", "inside", "after")]


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


@pytest.mark.slow
@counted(3, 300, "kills", parts=5)
def test_killed_at_a_fault_point_it_goes_on(
    server: ForkServer, uninterrupted: Uninterrupted, tmp_path: Path, trials: range
) -> None:
    """Promise 1: 30 named fault points, before, within and after each write, ten times each."""
    for trial in trials:
        point, home = FAULT_POINTS[17 * (trial + 1) % len(FAULT_POINTS)], tmp_path / f"{trial}"
        n = 1 + trial // len(FAULT_POINTS) % uninterrupted.passed[point.split()[1]]
        assert server.run(home, point, n) == -signal.SIGKILL, f"the campaign never comes to {point!r}"
        check(home, deaths=1)
        assert server.run(home) == 0
        check(home, deaths=1)
        assert contents(home) == uninterrupted.found, point


@pytest.mark.slow
@counted(3, 1000, "kills", parts=10)
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
