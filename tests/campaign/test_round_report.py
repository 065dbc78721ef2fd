"""The figures of a round, worked out by hand: hit rate, control, acceleration, error and calibration."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, failed, pool, prediction, references, verdict, verification

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.round_report import report
from gnome_lite.config import CampaignConfig
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import ModelRecord, Phase, RoundReport
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.store.database import SqlStore


def reported_references() -> PhaseSet:
    """The campaign's elements, a reported NaCl and a hypothetical KCl."""
    sources = {1: "reported: rock-salt type", 2: "gnome_lite seed, random"}
    compounds = [Phase(f"c{i}", CRYSTALS[i], -9.0, LEVEL, source, "CC0") for i, source in sources.items()]
    return PhaseSet.make([*references(), *compounds])


def played() -> RoundReport:
    """Five verified of six: three chosen, two of the control; one of the chosen failed.

    Verdicts (stable, novel): yes yes, yes no | control: yes yes, no yes. P(stable) 0.9, 0.7 | 0.9, 0.3.
    """
    store = SqlStore.in_memory()
    begin(store)
    ids = [c.content_id for c in CRYSTALS]
    generated = {"generated": 10, "gated": 2, "duplicates": 2, "kept": 6, "kept_by_generator": {"substitution": 6}}
    store.add_candidates("first", pool(), ["f"] * 6, {**generated, "gate_causes": {"too close": 2}, "skipped": {}})
    said = [(0.9, -1.5), (0.7, -1.1), (0.5, -1.0), (0.9, -1.2), (0.3, -1.4), (0.1, 0.0)]
    predictions = [replace(prediction(c, p), e_form_ev_per_atom=e) for c, (p, e) in zip(CRYSTALS, said, strict=True)]
    store.add_predictions("first", 1, predictions, {"model": "model-0"})
    store.add_selection("first", 1, ids[:3], ids[3:5], {"screened": 5, "expected_hit_rate": 0.7})
    for i, crystal in enumerate(CRYSTALS[:5]):
        store.add_verification("first", 1, failed(crystal) if i == 2 else verification(crystal))
    store.finish("first", 1, "verify", {"failures": {"timeout": 1}, "seconds": 5.0})
    stands = {0: (0.0, True), 1: (0.0, False), 3: (0.0, True), 4: (0.2, True)}
    kinds = {0: NoveltyKind.FORMULA, 1: None, 3: NoveltyKind.TO_REPORTED, 4: NoveltyKind.STRUCTURE}
    verdicts = [
        replace(verdict(CRYSTALS[i], above, novel=novel), novelty=kinds[i]) for i, (above, novel) in stands.items()
    ]
    store.add_verdicts("first", 1, verdicts, {"hull": "hull-1"})
    store.add_model("first", 1, ModelRecord("model-1", "m", 1, 1, 0.1), {})
    stages = SimpleNamespace(
        store=store,
        config=CampaignConfig(name="first", space={"chemical_systems": ["F-Li", "Cl-K-Na"]}),
        source=SimpleNamespace(load=reported_references),
        verifier=SimpleNamespace(level=LEVEL),
        novelty=CrystalNovelty(),
    )
    report(Context(stages), 1)  # type: ignore[arg-type]
    (found,) = store.reports("first")
    return found


def test_rates_by_hand() -> None:
    found = played()
    assert (found.verified, found.control, found.failed, found.stable, found.novel, found.hits) == (5, 2, 1, 3, 3, 2)
    assert found.hit_rate == pytest.approx(1 / 3)  # one hit of three chosen, the failure among them
    assert found.control_hit_rate == pytest.approx(1 / 2)
    assert found.daf == pytest.approx((1 / 3) / (1 / 2))
    assert found.expected_hit_rate == 0.7


def test_error_and_calibration_by_hand() -> None:
    found = played()
    # Verdicts say -1.0 eV/atom: |-1.5 + 1|, |-1.1 + 1|, |-1.2 + 1|, |-1.4 + 1|.
    assert found.mae_ev_per_atom == pytest.approx((0.5 + 0.1 + 0.2 + 0.4) / 4)
    # Bins of 0.2: [0.8, 1] has 0.9, 0.9 with two stable; [0.6, 0.8) 0.7 with one; [0.2, 0.4) 0.3 with none.
    assert found.calibration_error == pytest.approx((abs(1.8 - 2) + abs(0.7 - 1) + abs(0.3 - 0)) / 4)


def test_counts_of_generators_and_causes() -> None:
    found = played()
    assert found.by_generator == {"substitution": {"kept": 6, "verified": 5, "hits": 2}}
    assert (found.generated, found.gated, found.duplicates, found.kept, found.screened) == (10, 2, 2, 6, 5)
    assert found.failures == {"timeout": 1}
    assert found.seconds == {"verify": 5.0}


def test_novel_crystals_and_hits_are_counted_by_kind() -> None:
    """The third novel crystal lies above the hull and is no hit; what the store verified is no reference."""
    found = played()
    assert found.by_novelty == {
        "new formula": {"novel": 1, "hits": 1},
        "new structure": {"novel": 1, "hits": 0},
        "new to the reported list": {"novel": 1, "hits": 1},
    }
    assert {system: tuple(counts) for system, counts in found.coverage.items()} == {"F-Li": (0, 0), "Cl-K-Na": (1, 1)}
