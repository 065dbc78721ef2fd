"""A whole campaign with every part real: CHGNet relaxations, an ensemble that is retrained, a SQLite store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from samples.killed import TINY
from samples.small_world import lived_in

from gnome_lite.assemble import load_references, open_store
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import RoundReport, Verification
from gnome_lite.settings import Settings

pytestmark = pytest.mark.usefixtures("small_world")

KILL_POINTS = ("verification:2", "learn:2")
"""Every other point is a test of promise 1, on a campaign of which each part is as quick as can be."""


def run(home: Path, point: str = "none", **environment: str) -> int:
    script = Path(__file__).parents[1] / "samples" / "killed.py"
    command = [sys.executable, str(script), str(home), str(home.with_suffix(".results")), point]
    return subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment, timeout=300).returncode


def contents(home: Path, database_url: str | None = None) -> tuple[list, list, list]:
    """Everything a campaign decided, without what differs between two runs of it (seconds)."""
    store = open_store(Settings(home=home, database_url=database_url))
    reports = store.reports("tiny")
    verdicts = [sorted((i, v) for i, v in store.verdicts("tiny", r.round).items()) for r in reports]
    verified = [(v.candidate_id, v.energy_ev, v.failure) for v in store.verifications("chgnet-0.3.0")]
    figures = [{k: getattr(r, k) for k in RoundReport.__slots__ if k != "seconds"} for r in reports]
    return figures, verdicts, verified


@pytest.fixture(scope="module")
def uninterrupted(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("campaign") / "uninterrupted"
    with lived_in(small_bundle):
        assert run(home) == 0
    return home


@pytest.mark.slow
def test_campaign_finds_what_pymatgen_calls_stable(uninterrupted: Path) -> None:
    """Every verdict of the last round equals pymatgen's on the same entries."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    store = open_store(Settings(home=uninterrupted))
    references = load_references(TINY, Settings(home=uninterrupted))
    verified = {v.candidate_id: v for v in store.verifications("chgnet-0.3.0") if v.ok}
    verdicts = store.verdicts("tiny", TINY.rounds)
    assert verdicts.keys() == verified.keys()

    def entry(found: Verification | PhaseSet) -> PDEntry:
        return PDEntry(Composition(found.crystal.to_pymatgen().composition), found.energy_ev)

    for candidate_id, verdict in verdicts.items():
        inside = set(verified[candidate_id].crystal.chemical_system.split("-"))
        everything = [*references, *verified.values()]
        phases = [entry(e) for e in everything if set(e.crystal.chemical_system.split("-")) <= inside]
        expected = PhaseDiagram(phases).get_e_above_hull(entry(verified[candidate_id]))
        assert verdict.e_above_hull_ev_per_atom == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_killed_anywhere_on_postgresql_it_goes_on_and_decides_the_same(
    uninterrupted: Path, tmp_path: Path, postgres: str
) -> None:
    """SIGKILL at points of one campaign: same verdicts, nothing verified twice, nothing lost, and as on SQLite."""
    home = tmp_path / "killed"
    for point in KILL_POINTS:
        assert run(home, point, GNOME_LITE_DATABASE_URL=postgres) == -signal.SIGKILL, point
    assert run(home, GNOME_LITE_DATABASE_URL=postgres) == 0
    assert not (home / "store.sqlite").exists()
    assert contents(home, postgres) == contents(uninterrupted)
    results_log = home.with_suffix(".results").read_text().split()
    assert max(Counter(results_log).values()) == 1
    assert set(results_log) == {row[0] for row in contents(home, postgres)[2]}


@pytest.mark.slow
def test_round_figures_add_up(uninterrupted: Path) -> None:
    figures, _, verified = contents(uninterrupted)
    assert [f["round"] for f in figures] == [1, 2]
    assert sum(f["verified"] for f in figures) == len(verified) == 2 * (TINY.select.budget + TINY.select.control)
    for f in figures:
        assert f["hits"] <= f["stable"] <= f["verified"] - f["failed"]
        assert sum(f["failures"].values()) == f["failed"]
        assert sum(f["gate_causes"].values()) == f["gated"]
        assert f["generated"] >= f["gated"] + f["duplicates"]
