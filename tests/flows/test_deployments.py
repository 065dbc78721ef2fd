"""Schedules, for real: a Prefect server, a served deployment, and a run that nobody triggered.

Under SQLAlchemy 2.1 Prefect's scheduler silently creates no runs; only a test that waits for one finds out.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from samples.killed import TINY

from flows.deployments import main
from gnome_lite.assemble import open_store
from gnome_lite.cli.template import campaign_toml
from gnome_lite.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """A process and all its children, ended on leaving."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def wait_for(what: Any, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    return None


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_a_scheduled_run_starts_by_itself_and_completes(tmp_path: Path, migrated_prefect: Path) -> None:
    shutil.copytree(migrated_prefect, tmp_path / "prefect")
    api = f"http://127.0.0.1:{(port := free_port())}/api"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")} | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": api,
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The scheduler looks every minute by default, a runner every ten seconds; a test need not wait that long.
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    (tmp_path / "tiny.toml").write_text(campaign_toml(TINY.model_copy(update={"rounds": 1})), encoding="utf-8")
    home = tmp_path / "home"
    server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    serve = ["-m", "flows.deployments", str(tmp_path / "tiny.toml"), "--home", str(home), "--interval", "3600"]

    def healthy() -> bool:
        try:
            return httpx.get(f"{api}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def runs() -> list[dict[str, Any]]:
        return list(httpx.post(f"{api}/flow_runs/filter", json={}, timeout=30).json())

    with running(server, environment, tmp_path / "server.log"):
        assert wait_for(healthy, 120), (tmp_path / "server.log").read_text()[-2000:]
        with running(serve, environment, tmp_path / "serve.log"):
            assert wait_for(runs, 90), "the scheduler made no runs"
            # The next run is up to an hour away: only its time is changed, so that it still is the schedule's own.
            first = min(runs(), key=lambda r: str(r["expected_start_time"]))
            assert first["auto_scheduled"]
            body = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2020-01-01T00:00:00Z"}}}
            httpx.post(f"{api}/flow_runs/{first['id']}/set_state", json=body, timeout=30).raise_for_status()

            def ended() -> str | None:
                run = httpx.get(f"{api}/flow_runs/{first['id']}", timeout=30).json()
                return str(run["state_type"]) if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

            assert wait_for(ended, 400) == "COMPLETED", (tmp_path / "serve.log").read_text()[-4000:]
    reports = open_store(Settings(home=home)).reports("tiny")
    assert [r.round for r in reports] == [1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cron", "0 2 * * *"], "prefect server start"),
        (["nowhere.toml", "--cron", "0 2 * * *"], "nowhere.toml"),
    ],
)
def test_without_a_server_or_a_campaign_it_says_so(arguments: list[str], words: str, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")}
    done = subprocess.run(
        [sys.executable, "-m", "flows.deployments", *arguments, "--home", str(tmp_path / "home")],
        env=environment | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_code_of_a_campaign_is_not_left_to_a_scheduled_run(
    prefect: None, restored: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text("[verify]\ncalculator = 'os:system'\ncalculator_kwargs = {command = 'true'}")
    assert main([str(path), "--cron", "often", "--home", str(tmp_path)]) == 2
    assert "say --trust once" in capsys.readouterr().err
    for words in (["--trust"], []):
        assert main([str(path), "--cron", "often", "--home", str(tmp_path), *words]) == 2
        assert "is not a cron schedule" in capsys.readouterr().err


@pytest.mark.parametrize("schedule", [["--cron", "often"], [], ["--cron", "0 2 * * *", "--interval", "5"]])
def test_schedules_that_cannot_be_read(
    schedule: list[str], prefect: None, restored: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*schedule, "--home", str(tmp_path)]) == 2
    assert "0 2 * * *" in capsys.readouterr().err
