"""Higher levels with real calculators: survivors of the level below are judged on a hull of their own level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal as spacegroup
from samples.killed import TINY
from samples.small_campaign import LEVEL, begin, pool, rocksalt, verdict, verification
from samples.small_world import lived_in

from gnome_lite.assemble import assemble, open_store
from gnome_lite.campaign.context import Context
from gnome_lite.campaign.higher_levels import competing_phases, judge_at, levels, most_promising, of_system, phases_at
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.campaign.stages import HigherLevel
from gnome_lite.config import CampaignConfig, Level, Verify
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import CalculatorError, LevelMismatchError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.pipeline import silent
from gnome_lite.settings import Settings
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.verifier import ProcessVerifier

BELOW = "below-1"


def entry(name: str, crystal: Crystal, e_per_atom: float) -> Phase:
    return Phase(name, crystal, e_per_atom * len(crystal), BELOW, "test", "CC0")


def cu3au() -> Crystal:
    return Crystal.from_ase(
        spacegroup(["Au", "Cu"], [(0, 0, 0), (0, 0.5, 0.5)], spacegroup=221, cellpar=[3.9] * 3 + [90] * 3)
    )


def cuau() -> Crystal:
    return Crystal.from_ase(
        spacegroup(["Au", "Cu"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=123, cellpar=[2.8, 2.8, 3.8, 90, 90, 90])
    )


def known() -> PhaseSet:
    """Cu, Au, CuAu on the hull of the level below, a CuAu far above it, and Ag, which is of another system."""
    return PhaseSet.make(
        [
            entry("cu", Crystal.from_ase(bulk("Cu")), -3.0),
            entry("au", Crystal.from_ase(bulk("Au")), -2.0),
            entry("cuau", cuau(), -2.6),
            entry("cuau-high", Crystal.from_ase(bulk("CuAu", "zincblende", a=5.5)), -2.0),
            entry("ag", Crystal.from_ase(bulk("Ag")), -1.0),
        ]
    )


def near(phases: PhaseSet, within_ev_per_atom: float) -> list[Phase]:
    return competing_phases(phases, build_hull(phases), ["Au-Cu"], within_ev_per_atom)


def test_competing_phases_are_those_near_the_hull_of_the_system() -> None:
    assert [p.id for p in near(known(), 0.05)] == ["au", "cu", "cuau"]
    assert [p.id for p in near(known(), 2.0)] == ["au", "cu", "cuau", "cuau-high"]
    new = Verification("gl-1", cu3au(), -2.9 * 4, 0.01, 3, True, BELOW, 1.0)
    assert "gl-1" in [p.id for p in near(known().add([new]), 0.05)]


def test_a_level_has_a_hull_of_its_own(tmp_path: Path) -> None:
    """Distances at the level above equal pymatgen's on that level's energies; nothing is computed twice."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    below = near(known(), 0.05)
    results_log = tmp_path / "levels" / "emt.jsonl"
    with ProcessVerifier(Verify(calculator="emt", processes=1)) as verifier:
        phases, failed = phases_at(verifier, below, results_log, silent)
        size = results_log.stat().st_size
        again, _ = phases_at(verifier, below, results_log, silent)
        (survivor,) = verifier.verify([Candidate("gl-1", cu3au(), "", "", "", 1)])
    assert results_log.stat().st_size == size
    assert not failed
    assert [p.energy_ev for p in again] == [p.energy_ev for p in phases]
    assert {p.level for p in phases} == {"emt"}
    assert of_system(phases, "Ag-Cu") is None, "an element is missing"
    verdict = judge_at(phases, [survivor], build_hull)["gl-1"]
    entries = [
        PDEntry(Composition(found.crystal.to_pymatgen().composition), found.energy_ev) for found in (*phases, survivor)
    ]
    expected = PhaseDiagram(entries).get_e_above_hull(entries[-1])
    assert verdict.e_above_hull_ev_per_atom == pytest.approx(expected, abs=1e-9)
    # EMT makes Cu-Au alloys by some hundredths of an eV (its authors' own test system).
    assert -0.3 < verdict.e_form_ev_per_atom < 0.05


def test_levels_never_mix(tmp_path: Path) -> None:
    stray = Verification("gl-1", cu3au(), -2.9 * 4, 0.01, 3, True, "emt", 1.0)
    with pytest.raises(LevelMismatchError, match="one hull holds one level"):
        known().add([stray])


def test_levels_that_cannot_be_had_are_named_before_anything_runs(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    def config(space: dict[str, object] | None = None, **verify: object) -> CampaignConfig:
        return CampaignConfig.model_validate({"verify": verify, "space": space or {"elements": ["Na", "Cl"]}})

    same = config(levels=["chgnet", "chgnet-r2scan"], level={"chgnet-r2scan": {}})
    assert [higher.verifier.level for higher in assemble(same, settings).higher_levels] == ["chgnet-r2scan-8eba3db0"]
    with pytest.raises(CalculatorError, match="choose from chgnet"):
        assemble(config(levels=["chgnet", "vasp"]), settings)
    with pytest.raises(CalculatorError, match="emt does not know U"):
        assemble(config({"elements": ["U", "Na", "O"]}, levels=["chgnet", "emt"]), settings)
    with pytest.raises(CalculatorError, match="No module named"):
        assemble(config(levels=["chgnet", "mace"]), settings)
    assert not (tmp_path / "levels").exists()


@pytest.fixture(scope="module")
def verified_higher(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CampaignConfig]:
    """A tiny campaign whose survivors are verified with r2SCAN, run to its end."""
    home = tmp_path_factory.mktemp("levels")
    verify = Verify(
        processes=1,
        levels=("chgnet", "chgnet-r2scan"),
        level={"chgnet-r2scan": Level(budget=1, e_above_hull_max=0.05, competing_max=0.01)},
    )
    config = TINY.model_copy(update={"verify": verify})
    with lived_in(small_bundle):
        run_campaign(assemble(config, Settings(home=home)))
    return home, config


@pytest.mark.slow
def test_survivors_are_verified_within_their_budget(verified_higher: tuple[Path, CampaignConfig]) -> None:
    home, config = verified_higher
    store = open_store(Settings(home=home))
    high = store.verifications("chgnet-r2scan-8eba3db0")
    verdicts = store.verdicts("tiny", config.rounds)
    for round in (1, 2):
        level = (store.done("tiny", round, "levels") or {})["levels"]["chgnet-r2scan"]
        assert level["level"] == "chgnet-r2scan-8eba3db0"
        assert level["verified"] <= round
        standing = store.verdicts("tiny", round, level=level["level"])
        assert len(standing) == level["judged"] <= level["verified"]
        assert all(np.isfinite(v.e_above_hull_ev_per_atom) for v in standing.values())
        assert {v.level for v in standing.values()} <= {level["level"]}
    assert 1 <= len(high) <= 2, "one a round"
    assert all(v.candidate_id in verdicts for v in high)
    report = store.reports("tiny")[-1]
    assert report.verified == TINY.select.budget + TINY.select.control, "the levels are counted apart"
    assert report.confirmed == {"chgnet-r2scan": [level["stable"], level["judged"]]}
    status = store.status().campaigns[0]
    assert all(r.verified == TINY.select.budget + TINY.select.control for r in status.rounds)


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_a_kill_spends_no_budget_twice(verified_higher: tuple[Path, CampaignConfig]) -> None:
    """The step run again, as after a kill, verifies nothing more and finds the same."""
    home, config = verified_higher
    stages = assemble(config, Settings(home=home))
    before = stages.store.verifications("chgnet-r2scan-8eba3db0")
    wanted = dict(stages.store.done("tiny", 2, "levels") or {})
    verdicts = stages.store.verdicts("tiny", level="chgnet-r2scan-8eba3db0")
    assert verdicts
    assert levels(Context(stages), 2)["levels"] == wanted["levels"]
    assert len(stages.store.verifications("chgnet-r2scan-8eba3db0")) == len(before)
    assert stages.store.verdicts("tiny", level="chgnet-r2scan-8eba3db0") == verdicts, "none is taken back"
    # The hull of a system at that level, against pymatgen on what the results log and the store hold.
    higher: HigherLevel = stages.higher_levels[0]
    assert higher.results_log.exists()
    assert replace(higher, name="x").verifier.level == "chgnet-r2scan-8eba3db0"
    assert len(CrystalBatch.from_crystals(v.crystal for v in before)) == len(before)


def test_a_level_learns_what_is_worth_its_price(tmp_path: Path) -> None:
    """Sulphides came out 0.2 eV/atom higher at the level than below: the next one waits behind an oxide."""
    store = SqlStore.in_memory()
    begin(store)
    crystals = {name: rocksalt(12, z, a) for name, z, a in (("old", 16, 5.2), ("sulphide", 16, 5.3), ("oxide", 8, 4.2))}
    ids = {name: crystal.content_id for name, crystal in crystals.items()}
    store.add_candidates("first", pool(tuple(crystals.values())), ["f"] * 3, {})
    store.add_selection("first", 1, list(ids.values()), [], {})
    for crystal in crystals.values():
        store.add_verification("first", 1, verification(crystal))
    below = {
        ids[name]: replace(verdict(crystals[name], 0.0), decomposition_ev_per_atom=energy)
        for name, energy in (("old", -0.10), ("sulphide", -0.10), ("oxide", -0.06))
    }
    store.add_verdicts("first", 1, list(below.values()), {})
    context = Context(SimpleNamespace(store=store, config=SimpleNamespace(name="first")))  # type: ignore[arg-type]
    waiting = [ids["sulphide"], ids["oxide"]]
    assert most_promising(context, "high-1", LEVEL, below, waiting) == waiting
    store.add_selection("first", 1, [ids["old"]], [], {}, level="high-1")
    store.add_verification("first", 1, verification(crystals["old"], level="high-1"))
    higher = replace(below[ids["old"]], level="high-1", e_above_hull_ev_per_atom=0.1, decomposition_ev_per_atom=0.1)
    store.add_verdicts("first", 1, [higher], {}, level="high-1")
    assert most_promising(context, "high-1", LEVEL, below, waiting) == waiting[::-1]
