"""An empty store, and one with a small campaign in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from samples.small_campaign import begin, play_round

from gnome_lite.store.database import SqlStore


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stores, made once: every commit of theirs waits for the disk."""
    home = tmp_path_factory.mktemp("stores")
    SqlStore.open(home / "empty.sqlite")
    played = SqlStore.open(home / "played.sqlite")
    begin(played)
    play_round(played, "first")
    return home


@pytest.fixture
def store(templates: Path, tmp_path: Path) -> SqlStore:
    return SqlStore.open(f"sqlite:///{shutil.copy(templates / 'empty.sqlite', tmp_path / 'store.sqlite')}")


@pytest.fixture
def played(templates: Path, tmp_path: Path) -> SqlStore:
    return SqlStore.open(shutil.copy(templates / "played.sqlite", tmp_path / "store.sqlite"))
