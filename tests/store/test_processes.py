"""Several processes, killed ones too, on one SQLite store.

Covers `locks` and `connection`.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, verification
from samples.store_processes import spawn

from gnome_lite.core.errors import StoreError
from gnome_lite.store.database import SqlStore

HOLD = """
    import sys, time
    from gnome_lite.store.database import SqlStore
    with SqlStore.open(sys.argv[1]).exclusive("first"):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_campaign_is_run_by_one_process_and_freed_by_its_death(store: SqlStore) -> None:
    holder = spawn(HOLD, store.name)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(StoreError, match=f"campaign 'first' is being run by process {holder.pid}"),
        store.exclusive("first"),
    ):
        pass
    with store.exclusive("second"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    started = time.monotonic()
    with store.exclusive("first"):
        assert time.monotonic() - started < 1.0


def test_a_lock_is_given_back(store: SqlStore) -> None:
    with store.exclusive("first"), pytest.raises(StoreError, match=f"process {os.getpid()}"), store.exclusive("first"):
        pass
    with store.exclusive("first"):
        pass


def test_a_store_that_was_exchanged_is_read_anew(store: SqlStore, tmp_path: Path) -> None:
    """The connection that is kept from one transaction to the next is to the file that lay there before."""
    backup = shutil.copy(store.name, tmp_path / "backup.sqlite")
    begin(store)
    assert len(store.status().campaigns) == 1
    Path(backup).replace(store.name)
    assert store.status().campaigns == ()
    begin(store, "other")
    assert [c.name for c in SqlStore.open(store.name).status().campaigns] == ["other"]


HOLD_AND_FORK = """
    import os, sys, time
    from gnome_lite.store.database import SqlStore
    with SqlStore.open(sys.argv[1]).exclusive("first"):
        child = os.fork()
        if child == 0:
            print(os.getpid(), flush=True)
        time.sleep(60)
"""


def test_an_orphaned_worker_does_not_keep_the_lock(store: SqlStore) -> None:
    holder = spawn(HOLD_AND_FORK, store.name)
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with store.exclusive("first"):
        os.kill(worker, signal.SIGKILL)  # it was alive all the time


WRITE = """
    import sys
    from samples.small_campaign import CRYSTALS, pool
    from gnome_lite.core.crystals import Crystal, CrystalBatch
    from gnome_lite.core.records import CandidatePool
    from gnome_lite.store.database import SqlStore
    store = SqlStore.open(sys.argv[1])
    for round in range(1, 1000):
        crystals = tuple(Crystal.make(c.numbers, c.frac_coords, c.lattice + 1e-3 * (round + 1000 * k))
                         for k in range(10) for c in CRYSTALS)
        store.add_candidates("first", pool(crystals, round), ["f"] * len(crystals), {"kept": len(crystals)})
        print(round, flush=True)
"""


def test_killed_while_writing_it_has_all_or_nothing(store: SqlStore) -> None:
    begin(store)
    for delay in (0.0, 0.013):
        writer = spawn(WRITE, store.name)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()), int(writer.stdout.readline())][-1]
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.wait()
        status = SqlStore.open(store.name, create=False).status().campaigns[0]
        assert all(r.candidates == 60 and r.steps["generate"] == {"kept": 60} for r in status.rounds)
        assert [r.round for r in status.rounds][:acknowledged] == list(range(1, acknowledged + 1))


VERIFY = """
    import sys
    from samples.small_campaign import CRYSTALS, verification
    from gnome_lite.store.database import SqlStore
    store = SqlStore.open(sys.argv[1])
    for i in range(12):
        store.add_verification("first", 1, verification(CRYSTALS[i % 6], -1.0 - int(sys.argv[2])))
        assert sum(map(len, store.candidates_with_formulas([c.reduced_formula for c in CRYSTALS]).values())) == 6
"""


def test_processes_that_write_at_once_lose_nothing(store: SqlStore) -> None:
    begin(store)
    store.add_candidates("first", pool(), ["f"] * 6, {})
    writers = [spawn(VERIFY, store.name, str(k)) for k in range(2)]
    assert [w.wait(timeout=60) for w in writers] == [0, 0]
    found = store.verifications(LEVEL)
    assert len(found) == len(CRYSTALS)
    assert {v.energy_ev for v in found} <= {-1.0, -2.0}


def test_a_full_disk_leaves_the_store_whole(store: SqlStore) -> None:
    """A file size limit stands for the full disk: the write fails, the store stays as it was, and goes on."""
    begin(store)
    size = Path(store.name).stat().st_size
    code = """
        import resource, signal, sys
        from samples.small_campaign import CRYSTALS, pool
        from gnome_lite.core.errors import StoreError
        from gnome_lite.store.database import SqlStore
        store = SqlStore.open(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
        try:
            store.add_candidates("first", pool(CRYSTALS * 3), ["f" * 3000] * 18, {})
        except StoreError as error:
            assert "\\n" not in str(error)
            print("refused", error)
    """
    writer = spawn(code, store.name, str(size + 4096))
    assert writer.communicate(timeout=60)[0].startswith("refused")
    assert store.done("first", 1, "generate") is None
    assert store.add_candidates("first", pool(), ["f"] * 6, {}).n_new == 6
    store.add_verification("first", 1, verification(CRYSTALS[0]))
