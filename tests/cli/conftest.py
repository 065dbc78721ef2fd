"""A home with the store's small campaign in it, and a way to call the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from samples.small_campaign import begin, play_round

from gnome_lite.cli import main
from gnome_lite.store.database import SqlStore


class Said(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture(scope="session")
def played_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    store = SqlStore.open(home / "store.sqlite")
    begin(store, rounds=1)
    play_round(store, "first")
    return home


@pytest.fixture
def home(played_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    shutil.copytree(played_home, path)
    monkeypatch.setenv("GNOME_LITE_HOME", str(path))
    monkeypatch.delenv("GNOME_LITE_DATABASE_URL", raising=False)
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
