"""Two campaigns of equal seed and settings at the same time on one store: real processes, relaxations counted outside.

Covers `locks`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from samples.sharing import NAMES
from samples.small_campaign import LEVEL, begin, pool, rocksalt

from gnome_lite.assemble import open_store
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore

TESTS = Path(__file__).parents[1]
CRYSTALS = tuple(rocksalt(cation, anion) for cation in (3, 11, 19, 12, 20) for anion in (9, 17))


def start(home: Path, name: str, part: str, url: str | None = None) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", "OMP_NUM_THREADS": "1"}
    environment |= {"GNOME_LITE_DATABASE_URL": url} if url else {}
    script = TESTS / "samples" / "sharing.py"
    return subprocess.Popen([sys.executable, str(script), str(home), name, part], env=environment)


def log(home: Path) -> Counter[str]:
    path = home / "log"
    return Counter(path.read_text().splitlines() if path.exists() else ())


def selected(home: Path, url: str | None = None) -> SqlStore:
    """A store with two campaigns that have selected the same crystals, in other orders."""
    store = open_store(Settings(home=home, database_url=url), create=True)
    ids = [c.content_id for c in CRYSTALS]
    for name, order in zip(NAMES, (ids, ids[::-1]), strict=True):
        begin(store, name)
        store.add_candidates(name, pool(CRYSTALS), ["f"] * len(ids), {})
        store.add_selection(name, 1, order, [], {})
    return store


def test_each_crystal_is_relaxed_once_on_postgresql(tmp_path: Path, postgres: str) -> None:
    store = selected(tmp_path, postgres)
    processes = [start(tmp_path, name, "verify", postgres) for name in NAMES]
    assert [p.wait(180) for p in processes] == [0, 0]
    assert log(tmp_path) == Counter(c.to_ase().get_chemical_formula() for c in CRYSTALS)
    assert len(store.verifications(LEVEL)) == len(CRYSTALS)


def test_what_a_killed_campaign_was_relaxing_the_other_one_relaxes(tmp_path: Path) -> None:
    store = selected(tmp_path)
    (tmp_path / f"verify.{NAMES[1]}").touch()  # the first one does not wait for it
    first = start(tmp_path, NAMES[0], "verify")
    while log(tmp_path).total() < 3:
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # it lives, and so does its claim
    (tmp_path / f"verify.{NAMES[1]}").unlink()
    second = start(tmp_path, NAMES[1], "verify")
    while not (tmp_path / f"verify.{NAMES[1]}").exists():
        time.sleep(0.01)
    begun = log(tmp_path)
    while log(tmp_path) == begun and not (tmp_path / "waiting").exists():
        time.sleep(0.01)
    assert log(tmp_path) == begun, "it did not wait"
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert second.wait(180) == 0
    assert log(tmp_path).keys() == {c.to_ase().get_chemical_formula() for c in CRYSTALS}
    assert log(tmp_path).total() <= len(CRYSTALS) + 1, "but for the one under way none twice"
    assert len(store.verifications(LEVEL)) == len(CRYSTALS)


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_whole_campaigns_share_relaxations_and_trainings_and_decide_the_same(tmp_path: Path) -> None:
    processes = [start(tmp_path, name, "campaign") for name in NAMES]
    assert [p.wait(1500) for p in processes] == [0, 0]
    store = open_store(Settings(home=tmp_path))
    one, other = (
        {(i, v.e_above_hull_ev_per_atom, v.novel) for i, v in store.verdicts(name, 1).items()} for name in NAMES
    )
    assert one == other
    assert len(one) > 0
    assert set(log(tmp_path).values()) == {1}
    assert {c.id for n in NAMES for r in (1, 2) for c, _ in store.selected(n, r)} == log(tmp_path).keys()
    assert not list((tmp_path / "models").glob(".*"))
