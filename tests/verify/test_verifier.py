"""Real child processes: every fault costs one candidate.

Covers `worker`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.records import Candidate, Failure, Verification
from gnome_lite.verify.verifier import ProcessVerifier

HERE = Path(__file__).parent
DEADLINE_S = 3.0


@pytest.fixture(autouse=True)
def _faulty_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def candidate(element: str, seed: int = 0, a: float = 5.4) -> Candidate:
    atoms = bulk(element, "fcc", a=a, cubic=True)
    atoms.rattle(0.05, seed=seed)
    crystal = Crystal.from_ase(atoms)
    return Candidate(crystal.content_id, crystal, "parent", "test", f"{element} {seed}", 1)


def trap(folder: Path | str = "", **changes: int) -> Verify:
    return Verify(
        calculator="faulty:trap",
        calculator_kwargs={"folder": str(folder)},
        deadline_s=DEADLINE_S,
        memory_gib=1,
        **changes,
    )


def gone(pid: int, within_s: float = 3.0) -> bool:
    """Whether a process ends in time (a zombie has ended)."""
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_every_fault_costs_one_candidate(tmp_path: Path) -> None:
    """Promise 9: every class of a worker's death, tried twice, stopped by its deadline and a second."""
    bad = {
        "Kr": Failure.TIMEOUT,
        "Xe": Failure.CRASHED,
        "Rn": Failure.OUT_OF_MEMORY,
        "Ne": Failure.NON_FINITE,
        "He": Failure.OUT_OF_MEMORY,
    }
    candidates = [candidate("Ar", seed) for seed in range(8)]
    for k, element in enumerate(bad):
        candidates.insert(2 * k, candidate(element))
    candidates.append(candidate("Au"))
    with ProcessVerifier(trap(tmp_path, processes=2)) as verifier:
        outcomes = {v.candidate_id: v for v in verifier.verify(candidates)}
    assert set(outcomes) == {c.id for c in candidates}
    for c in candidates:
        outcome = outcomes[c.id]
        element = c.change.split()[0]
        assert outcome.failure == bad.get(element), (element, outcome.detail)
        assert outcome.ok == np.isfinite(outcome.energy_ev)
        assert outcome.level == verifier.level
        assert outcome.ok or outcome.detail
    assert len(list(tmp_path.glob("try-*"))) == 2, "a crash is tried twice, each time in a fresh process"
    timeout = next(v for v in outcomes.values() if v.failure is Failure.TIMEOUT)
    assert DEADLINE_S <= timeout.seconds < DEADLINE_S + 1
    assert all(gone(int(pid)) for pid in tmp_path.joinpath("pids").read_text().split()), "its children too"


def test_no_worker_outlives_its_fault_or_fills_the_disk(tmp_path: Path) -> None:
    """It closes its pipe and lives on; leaves a child; has one in a session of its own; writes 64 MB of log."""
    failures = {"Cu": Failure.CRASHED, "Ag": Failure.CRASHED, "Pt": Failure.TIMEOUT, "Pd": None, "Ar": None}
    candidates = {c.id: c for c in map(candidate, failures)}
    with ProcessVerifier(trap(tmp_path, processes=2, tries=1)) as verifier:
        outcomes = {}
        for outcome in verifier.verify(list(candidates.values())):
            outcomes[candidates[outcome.candidate_id].change.split()[0]] = outcome.failure
            open_files = [f for f in Path("/proc/self/fd").iterdir() if f.exists() and f.is_file()]
            assert sum(os.stat(f).st_size for f in open_files) < 1e7
    assert outcomes == failures
    assert all(gone(int(file.read_text())) for file in tmp_path.glob("child-*"))


def test_results_do_not_depend_on_order_or_number_of_workers() -> None:
    candidates = [candidate("Ar", seed) for seed in range(6)]

    def run(processes: int, order: int) -> dict[str, Verification]:
        with ProcessVerifier(trap(processes=processes)) as verifier:
            return {v.candidate_id: v for v in verifier.verify(candidates[::order])}

    one, two = run(1, 1), run(2, -1)
    assert one.keys() == two.keys()
    for key, a in one.items():
        b = two[key]
        assert (a.energy_ev, a.max_force_ev_per_ang, a.n_steps) == (b.energy_ev, b.max_force_ev_per_ang, b.n_steps)
        assert (a.crystal.frac_coords == b.crystal.frac_coords).all()
        assert (a.crystal.lattice == b.crystal.lattice).all()


def test_workers_live_on_between_calls_and_die_at_close() -> None:
    verifier = ProcessVerifier(trap(processes=1))
    assert list(verifier.verify([])) == []
    assert not verifier.workers.idle, "nothing to do starts nothing"
    list(verifier.verify([candidate("Ar")]))
    pid = verifier.workers.idle[0].process.pid
    list(verifier.verify([candidate("Ar", 1)]))
    assert verifier.workers.idle[0].process.pid == pid
    # One that died in between is replaced without costing a try.
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert next(iter(verifier.verify([candidate("Ar", 2)]))).ok
    pid = verifier.workers.idle[0].process.pid
    verifier.close()
    assert gone(pid)


def test_an_abandoned_iterator_stops_its_work(tmp_path: Path) -> None:
    with ProcessVerifier(trap(tmp_path, processes=2)) as verifier:
        outcomes = verifier.verify([candidate("Kr"), candidate("Ar")])
        assert next(outcomes).ok
        while not tmp_path.joinpath("pids").exists():
            time.sleep(0.05)
        outcomes.close()  # type: ignore[attr-defined]
        assert all(gone(int(pid)) for pid in tmp_path.joinpath("pids").read_text().split())


def test_the_callers_own_slowness_is_no_timeout() -> None:
    with ProcessVerifier(trap(processes=2).model_copy(update={"deadline_s": 1.5})) as verifier:
        for outcome in verifier.verify([candidate("Ar", seed) for seed in range(3)]):
            assert outcome.ok, outcome.detail
            time.sleep(1.6)


def test_workers_and_what_they_started_die_with_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path[:0] = [{str(HERE)!r}]
from ase.build import bulk
from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Candidate
from gnome_lite.verify.verifier import ProcessVerifier
crystal = Crystal.from_ase(bulk("Kr", cubic=True))
v = Verify(calculator="faulty:trap", calculator_kwargs={{"folder": {str(tmp_path)!r}}}, processes=1, deadline_s=1000)
list(ProcessVerifier(v).verify([Candidate("id", crystal, "", "", "", 1)]))
"""
    parent = subprocess.Popen([sys.executable, "-c", program])
    pids = tmp_path / "pids"
    try:
        limit = time.monotonic() + 60
        while not (pids.exists() and len(pids.read_text().split()) == 2):
            assert time.monotonic() < limit
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_a_calculator_that_cannot_be_had_is_said_before_or_at_the_start() -> None:
    with pytest.raises(CalculatorError, match="choose from"):
        ProcessVerifier(Verify(calculator="vasp"))
    for name, says in (
        ("faulty:cannot_be_built", "no licence for this code"),
        ("faulty:dies_at_birth", "could not start: it died of SIGSEGV"),
        ("faulty:nothing", "no attribute"),
    ):
        with (
            ProcessVerifier(Verify(calculator=name, processes=1)) as verifier,
            pytest.raises(CalculatorError, match=says),
        ):
            list(verifier.verify([candidate("Ar")]))


def test_a_check_leaves_a_worker_ready() -> None:
    with ProcessVerifier(trap(processes=1)) as verifier:
        verifier.check()
        pid = verifier.workers.idle[0].process.pid
        assert next(iter(verifier.verify([candidate("Ar")]))).ok
        assert verifier.workers.idle[0].process.pid == pid
    for name, says in (("faulty:cannot_be_built", "no licence"), ("faulty:dies_at_birth", "died of SIGSEGV")):
        with ProcessVerifier(Verify(calculator=name)) as verifier, pytest.raises(CalculatorError, match=says):
            verifier.check()


def test_too_little_memory_to_start_names_the_setting() -> None:
    verifier = ProcessVerifier(Verify(processes=1, memory_gib=0.05))
    with pytest.raises(CalculatorError, match=r"chgnet alone takes .* more than verify\.memory_gib = 0\.05: raise it"):
        list(verifier.verify([candidate("Ar")]))


def test_chgnet_relaxes_rock_salt_in_a_child_process() -> None:
    crystal = Crystal.from_ase(bulk("NaCl", "rocksalt", 5.3))
    uranide = Crystal.make([98], [[0, 0, 0]], [[0, 2.5, 2.5], [2.5, 0, 2.5], [2.5, 2.5, 0]])
    candidates = [Candidate(c.content_id, c, "", "", "", 1) for c in (crystal, uranide)]
    with ProcessVerifier(Verify(processes=1)) as verifier:
        assert verifier.level == "chgnet-0.3.0"
        salt, californium = verifier.verify(candidates)
    assert salt.ok
    assert salt.converged
    # Rock salt in PBE: a = 5.70 Å; -6.76 eV per formula unit on Materials Project's corrected scale is about -7.3.
    assert (4 * salt.crystal.volume) ** (1 / 3) == pytest.approx(5.70, abs=0.06)
    assert salt.energy_ev == pytest.approx(-7.35, abs=0.15)
    assert californium.failure is Failure.OUT_OF_DOMAIN


@pytest.mark.soak
def test_thousands_stream_through() -> None:
    with ProcessVerifier(trap()) as verifier:
        outcomes = verifier.verify([candidate("Ar", seed) for seed in range(2500)])
        assert len({v.candidate_id for v in outcomes}) == 2500
