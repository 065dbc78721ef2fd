"""The store's small campaign, played."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from samples.small_campaign import begin, play_round

from gnome_lite.store.database import SqlStore


@pytest.fixture(scope="session")
def played_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("played") / "store.sqlite"
    store = SqlStore.open(path)
    begin(store)
    play_round(store, "first")
    return path


@pytest.fixture
def played(played_file: Path, tmp_path: Path) -> SqlStore:
    (tmp_path / "home").mkdir()
    return SqlStore.open(shutil.copy(played_file, tmp_path / "home" / "store.sqlite"))
