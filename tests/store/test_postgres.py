"""The same store on a real PostgreSQL server, started for the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store.small_campaign import CRYSTALS, LEVEL, begin, play_round, pool, prediction

from gnome_lite.errors import StoreError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of an empty server; PostgreSQL refuses to run as root, who becomes `nobody` for it."""
    pytest.importorskip("psycopg")
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("PostgreSQL is not installed")
    home = Path(tempfile.mkdtemp(prefix="gnome_lite_pg"))
    user = pwd.getpwnam("nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    os.chown(home, user.pw_uid, user.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user.pw_uid, cwd=home, stdout=subprocess.DEVNULL)

    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("initdb", "-D", str(home / "data"), "-U", "tester", "--auth=trust")
    run("pg_ctl", "-D", str(home / "data"), "-l", str(home / "log"), "-w", "-o", options, "start")
    yield f"postgresql://tester:a-secret-word@127.0.0.1:{port}/postgres"
    run("pg_ctl", "-D", str(home / "data"), "-m", "immediate", "stop")
    shutil.rmtree(home)


def test_a_round_on_postgresql(server: str) -> None:
    store = SqlStore.open(server)
    begin(store)
    play_round(store, "first")
    play_round(store, "first")
    again = SqlStore.open(server, create=False)
    assert sorted(c.formula for c in again.query(Query())) == ["KCl", "LiF", "NaCl", "NaMnF3"]
    assert [c.formula for c in again.query(Query(elements=("Hf",), include_unverified=True, sort="p_stable"))] == [
        "HfC"
    ]
    assert len(again.verifications(LEVEL, "first")) == 5
    assert again.status().campaigns[0].rounds[0].stable == 2
    assert again.show(CRYSTALS[0].content_id[:9]).formula == "LiF"
    assert again.reports("first")[0].hits == 2
    assert [c.id for c in again.unverified("first", 2, LEVEL, 9)] == [CRYSTALS[5].content_id]
    assert again.add_candidates("first", pool(), ["f"] * 6, {}) == 0
    with pytest.raises(StoreError, match="refused a row"):
        again.add_predictions("first", 3, [prediction(CRYSTALS[0], float("nan"))], {})
    refused = pytest.raises(StoreError, match=f"run by process {os.getpid()}")
    with again.exclusive("first"), refused, store.exclusive("first"):
        pass
    with store.exclusive("first"):
        pass


def test_messages_keep_the_password(server: str) -> None:
    assert "a-secret-word" not in SqlStore.open(server).name
    with pytest.raises(StoreError) as error:
        SqlStore.open(server.replace("/postgres", "/nothing-here"), create=False)
    assert "a-secret-word" not in str(error.value)
    assert "\n" not in str(error.value)
