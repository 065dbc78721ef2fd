"""Promise 1: whole Prefect flows, killed at any time, go on by themselves."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.fork_server import ForkServer
from samples.ledger import check, contents
from soak import counted


@pytest.fixture(scope="module")
def server(prefect: None) -> Iterator[ForkServer]:
    """A fork server whose processes know a Prefect server with a database of its own."""
    from prefect.settings import PREFECT_API_URL

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        with ForkServer() as server:
            yield server


@pytest.mark.slow
@counted(1, 50, "flows", parts=2)
def test_a_killed_flow_goes_on(server: ForkServer, tmp_path: Path, trials: range) -> None:
    """Promise 1: a flow killed at a random time, with its workers; started again it ends as one never killed."""
    whole = tmp_path / "whole"
    started = time.monotonic()
    assert server.run_flow(whole) == 0
    seconds = time.monotonic() - started
    for trial in trials:
        home = tmp_path / f"{trial}"
        killed = server.run_flow(home, random.Random(trial).uniform(0, seconds)) == -signal.SIGKILL
        check(home, deaths=int(killed))
        assert server.run_flow(home) == 0
        check(home, deaths=int(killed))
        assert contents(home) == contents(whole)
