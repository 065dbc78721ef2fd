"""Real child processes: how each ends, and that none, nor anything it started, is left."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import AliasChoices
from samples.commanded import left

from gnome_lite.core.processes import (
    EXIT_GRACE_S,
    LOG_BYTES,
    Child,
    child_environment,
    keys_put_away,
    readable,
    secrets_of,
)
from gnome_lite.settings import Settings

CANARY = "canary-0123456789"
KEYS = (
    "MP_API_KEY", "GNOME_LITE_MP_API_KEY", "GNOME_LITE_DATABASE_URL", "HF_TOKEN", "MY_PASSWORD", "other_api_key",
    "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PREFECT_SERVER_API_AUTH_STRING", "GITHUB_PAT",
    "PREFECT_API_DATABASE_CONNECTION_URL", "COPY_UNDER_ANOTHER_NAME",
)  # fmt: skip


def child() -> Child:
    return Child.of_module("samples.commanded")


def on_disk() -> int:
    """Bytes of the files that this process has open."""
    return sum(os.stat(f).st_size for f in Path("/proc/self/fd").iterdir() if f.exists() and f.is_file())


def test_children_get_one_thread_a_library_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("PLACE", f"https://me:{CANARY}@127.0.0.1/")
    monkeypatch.setenv("TOKENIZERS", "kept")
    one = child()
    one.send({"do": "show environment"})
    environment = one.receive()["answer"]
    assert CANARY not in str(environment)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TOKENIZERS"] == "kept"
    assert not set(KEYS) & set(child_environment())


def test_every_secret_of_the_settings_is_kept_from_children() -> None:
    for name, field in Settings.model_fields.items():
        if "SecretStr" in str(field.annotation):
            alias = field.validation_alias
            names = alias.choices if isinstance(alias, AliasChoices) else [f"GNOME_LITE_{name.upper()}"]
            assert secrets_of({str(n): "x" for n in names}) == set(names)


def test_what_is_no_secret_is_kept() -> None:
    names = ("PATH", "PWD", "KEYBOARD", "AUTHOR", "TOKENIZERS_PARALLELISM", "VASP_PP_PATH", "HF_HOME", "XDG_SESSION_ID")
    assert secrets_of(dict.fromkeys(names, "/some/where") | {"A_KEY": "1", "SPIN": "1"}) == {"A_KEY"}
    assert secrets_of({"MP_API_ENDPOINT": "http://127.0.0.1:80/a:b@c"}) == set()


def test_keys_are_put_away_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", CANARY)
    monkeypatch.setenv("PREFECT_API_KEY", "another-0123456789")
    with keys_put_away(but_for="PREFECT_"):
        assert "MP_API_KEY" not in os.environ
        assert os.environ["PREFECT_API_KEY"]
    assert os.environ["MP_API_KEY"] == CANARY


@pytest.mark.parametrize(
    ("order", "kind", "text"),
    [
        ("segfault", "ended", "died of SIGSEGV: no message"),
        ("leave", "ended", "ended with status 3: I leave"),
        ("be killed", "killed", "died of SIGKILL: no message"),
        ("close", "ended", "closed its pipe and lived on: no message"),
        ("babble", "ended", "closed its pipe and lived on: no message"),
        ("hang", "overdue", "was stopped after 0.5 s: no message"),
    ],
)
def test_how_a_child_ends_is_said(order: str, kind: str, text: str) -> None:
    one = child()
    one.send({"do": "answer", "of": 1})
    assert one.receive()["answer"] == 1
    time.sleep(0.3)  # until what it printed as it started has been read, to be forgotten now
    started = time.monotonic()
    one.send({"do": order})
    if readable([one], 0.5 if order == "hang" else 5.0):
        with pytest.raises((EOFError, ValueError)):
            one.receive()
        reason = one.end()
    else:
        reason = one.end(0.5)
    assert reason == (kind, text)
    assert time.monotonic() - started < EXIT_GRACE_S + 10.0  # of 1000 that it would live
    assert not one.alive
    one.stop()  # once more does nothing


@pytest.mark.parametrize("then", ["hang", "segfault", "close", "leave"])
def test_nothing_that_a_child_started_survives_it(then: str) -> None:
    """Neither where it is stopped nor where it dies by itself, and not what has made a session of its own."""
    one = child()
    one.send({"do": "spawn", "then": then})
    pids = one.receive()["progress"]
    assert len(set(pids)) == 4
    one.end(0.0 if then == "hang" else None)
    assert left(pids) == []


def test_a_child_that_nobody_refers_to_is_stopped() -> None:
    one = child()
    pid = one.process.pid
    del one
    gc.collect()
    assert left([pid], 0.0) == []


def test_a_fork_does_not_stop_its_parents_child() -> None:
    one = child()
    if (pid := os.fork()) == 0:
        one.stop()
        os._exit(0)
    os.waitpid(pid, 0)
    assert one.alive


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_children_die_with_their_parent_however_it_dies(death: int) -> None:
    program = (
        "import time\nfrom gnome_lite.core.processes import Child\none = Child.of_module('samples.commanded')\n"
        "one.send({'do': 'spawn', 'then': 'hang'})\nprint(*one.receive()['progress'], flush=True)\ntime.sleep(1000)"
    )
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert parent.stdout is not None
    *pids, hidden, orphan = map(int, parent.stdout.readline().split())
    assert left(pids, 0.0) == pids
    parent.send_signal(death)
    assert parent.wait() == -death
    assert left(pids) == []
    for pid in (hidden, orphan):  # the kernel does not reach sessions of their own
        os.kill(pid, signal.SIGKILL)


def test_a_log_has_a_cap_and_touches_no_disk() -> None:
    before = on_disk()
    one = child()
    one.send({"do": "shout", "mb": 64})
    assert one.receive() == {"answer": "shouted"}
    assert on_disk() - before < LOG_BYTES
    assert one.end(1.0).text == "was stopped after 1 s: the end"


def test_memory_is_limited_of_a_process_and_of_what_it_has_started() -> None:
    one = child()
    one.send({"do": "hoard"})
    assert one.receive()["answer"] == ["too much", "too much"]


def test_what_cannot_be_run_leaves_no_pipe_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Child(["/nowhere/python"], {})
    assert len(os.listdir("/proc/self/fd")) == before
