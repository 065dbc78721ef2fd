"""Commands whose Prefect server is not there, says nothing, dies or is stopped with them, as real processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from samples.killed import TINY
from samples.small_world import VARIABLE as BUNDLE

from gnome_lite.cli.errors import STOP_WITHIN_S, STOPPED_LINE, TERMINATED
from gnome_lite.cli.template import campaign_toml
from gnome_lite.store.database import SqlStore

TESTS = Path(__file__).parents[1]
PATIENCE_S = 550.0
STEPS = [f"step {k}" for k in range(5)]
NOTICE = "notice: Prefect cannot be reached ("


def start(home: Path, *command: str | Path, api: str | None = None) -> subprocess.Popen[str]:
    """A command that leads a process group, as a batch system starts it; what it says goes to files."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "GNOME_LITE")) or k == BUNDLE}
    environment = kept | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", "HOME": str(home), "OMP_NUM_THREADS": "1"}
    environment |= {"PREFECT_API_URL": api} if api else {}
    with (home / "out").open("w") as out, (home / "err").open("w") as err:
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=environment, stdout=out, stderr=err, text=True, start_new_session=True,
        )  # fmt: skip


def until(what: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.05)


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def server_of(pid: int) -> int:
    """The Prefect server that a process has started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent, command = (
                int(stat.read_text().rpartition(")")[2].split()[1]),
                stat.with_name("cmdline").read_bytes(),
            )
        except OSError:
            continue
        if parent == pid and b"uvicorn" in command:
            return int(stat.parent.name)
    raise AssertionError("no server")


@pytest.mark.parametrize("kind", ["closed", "mute"])
def test_without_a_server_that_answers_a_flow_runs_all_the_same(kind: str, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if kind == "mute":
            listening.listen()  # the kernel accepts, and nobody ever answers
        api = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        command = start(tmp_path, TESTS / "samples" / "followed.py", tmp_path, api=api)
        assert command.wait(PATIENCE_S) == 0
    assert text(tmp_path / "log").splitlines() == STEPS
    assert text(tmp_path / "out") == "steps 5\n"
    said = text(tmp_path / "err").splitlines()
    assert [line.startswith(NOTICE) for line in said] == [False, True], said


@pytest.mark.slow
def test_sigterm_to_all_processes_stops_soon_in_one_line_and_the_next_run_goes_on(
    tmp_path: Path, migrated_prefect: Path
) -> None:
    """As `scancel` does: to the command and to the server that it has started."""
    shutil.copytree(migrated_prefect, tmp_path / "prefect")
    command = start(tmp_path, TESTS / "samples" / "followed.py", tmp_path)
    until(lambda: STEPS[2] in text(tmp_path / "log"))
    started = time.monotonic()
    os.killpg(command.pid, signal.SIGTERM)
    assert command.wait(PATIENCE_S) == TERMINATED
    assert time.monotonic() - started < STOP_WITHIN_S + 2.0
    said = text(tmp_path / "err").splitlines()
    assert said[-1] == STOPPED_LINE
    assert len(said) == 2, said
    again = start(tmp_path, TESTS / "samples" / "followed.py", tmp_path, api="http://127.0.0.1:9/api")
    assert again.wait(PATIENCE_S) == 0
    assert text(tmp_path / "log").splitlines() == STEPS


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_a_server_that_dies_costs_a_campaign_a_notice(tmp_path: Path, migrated_prefect: Path) -> None:
    shutil.copytree(migrated_prefect, tmp_path / "prefect")
    path, changed = tmp_path / "tiny.toml", {"budget": 2, "control": 1}
    select = TINY.select.model_copy(update=changed)
    predict = TINY.predict.model_copy(update={"retrain": "never"})
    path.write_text(campaign_toml(TINY.model_copy(update={"rounds": 2, "select": select, "predict": predict})))
    command = start(tmp_path, "-m", "gnome_lite.cli", "run", path, "--home", tmp_path)
    until(lambda: "verify " in text(tmp_path / "err"))
    os.kill(server_of(command.pid), signal.SIGKILL)
    assert command.wait(PATIENCE_S) == 0, text(tmp_path / "err")
    said = text(tmp_path / "err")
    assert said.count(NOTICE) == 1, said
    assert not any(words in said for words in ("Traceback", "Error logging", "Event(", "defect")), said
    store = SqlStore.open(tmp_path / "store.sqlite", create=False)
    assert [r.round for r in store.reports("tiny")] == [1, 2]
    assert len(store.verifications("chgnet-0.3.0")) == 6
