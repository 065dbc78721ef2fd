"""What all tests share: where the real DFT data lie, and small known crystals."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soak
from filelock import FileLock
from soak import pytest_runtest_logreport  # noqa: F401 (a hook)

from gnome_lite.core.crystals import Crystal

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: begun last, one would keep one process busy and the other idle."""
    soak.pytest_collection_modifyitems(items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def dft_data() -> Path:
    """Directory of the DFT-labelled crystals; tests that need it are skipped where it is absent."""
    path = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "mp20_val.csv.gz").exists():
        pytest.skip(f"no DFT data in {path}")
    return path


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """URL of an empty PostgreSQL server; PostgreSQL refuses to run as root, who becomes `nobody` for it."""
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a disk needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Make a folder by its name once for all processes of a test run, and return where it is."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def made(name: str, make: Callable[[Path], None]) -> Path:
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.made").exists():
                make(shared / name)
                (shared / f"{name}.made").touch()
        return shared / name

    return made


@pytest.fixture(scope="session")
def small_bundle(once: Once) -> Path:
    """What `samples.small_world` writes for the tiny campaign."""
    from samples.killed import TINY
    from samples.small_world import write_small_world

    return once("small-bundle", lambda place: write_small_world(place, TINY))


@pytest.fixture(scope="session")
def migrated_prefect(once: Once) -> Path:
    """A Prefect home whose empty database has its tables, which a first start makes in ten seconds."""

    def migrate(place: Path) -> None:
        place.mkdir()
        known = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")} | {"PREFECT_HOME": str(place)}
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(command, check=True, env=known, capture_output=True)

    return once("prefect-home", migrate)


@pytest.fixture(scope="session")
def prefect(migrated_prefect: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server with a database of its own for all flow tests of a process."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing import utilities

    home = tmp_path_factory.mktemp("prefect")
    shutil.copy(migrated_prefect / "prefect.db", home / "prefect-test.db")
    with (
        pytest.MonkeyPatch.context() as patched,
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        patched.setattr(utilities, "mkdtemp", lambda: str(home))
        with utilities.prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture
def small_world(small_bundle: Path) -> Iterator[Path]:
    """During the test this process and those that it starts find the small bundle."""
    from samples.small_world import lived_in

    with lived_in(small_bundle):
        yield small_bundle


@pytest.fixture(scope="session")
def rocksalt() -> Crystal:
    """NaCl, primitive cell, a = 5.69 Å."""
    a = 5.69
    return Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2)
