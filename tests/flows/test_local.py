from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.local import prepare_environment
from gnome_lite.core.errors import ConfigError
from gnome_lite.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("PREFECT") or n == "DO_NOT_TRACK"]:
        monkeypatch.delenv(name)
    # Undone with the other changes: prepare_environment writes to os.environ itself.
    for name in ("PREFECT_HOME", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("restored", "clean")
def test_prefect_lives_below_the_home_and_tells_nobody(tmp_path: Path) -> None:
    prepare_environment(Settings(home=tmp_path / "deep" / "home"))
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "deep" / "home" / "prefect")
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


@pytest.mark.usefixtures("restored", "clean")
def test_what_the_user_has_set_up_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    prepare_environment(Settings(home=tmp_path / "home"))
    assert os.environ["PREFECT_HOME"] == "/elsewhere"
    monkeypatch.delenv("PREFECT_HOME")
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text("active = 'mine'")
    prepare_environment(Settings(home=tmp_path / "home"))
    assert "PREFECT_HOME" not in os.environ


@pytest.mark.usefixtures("restored", "clean")
def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another --home"):
        prepare_environment(Settings(home=tmp_path / "file" / "home"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_killed_command_leaves_no_server_behind(tmp_path: Path, migrated_prefect: Path) -> None:
    shutil.copytree(migrated_prefect, tmp_path / "prefect")
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom gnome_lite.settings import Settings\n"
        "from flows.local import local_server, prepare_environment\n"
        "prepare_environment(Settings(home=Path(sys.argv[1])))\n"
        "with local_server():\n"
        "    from prefect.server.api.server import SubprocessASGIServer\n"
        "    print(SubprocessASGIServer().server_process.pid, flush=True)\n    time.sleep(300)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "MP_API_KEY": "canary-0123456789"},
    ) as child:
        assert child.stdout is not None
        server = int(child.stdout.readline())
        assert alive(server)
        started_with = Path(f"/proc/{server}/environ").read_text()
        assert "PREFECT_HOME=" in started_with
        assert "canary" not in started_with
        child.send_signal(signal.SIGKILL)
        child.wait()
    deadline = time.monotonic() + 20
    while alive(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(server)
