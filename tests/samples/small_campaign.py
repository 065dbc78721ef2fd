"""A small campaign for the store's tests: real records, made-up energies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import (
    CandidatePool,
    Credibility,
    Failure,
    ModelRecord,
    Phase,
    Prediction,
    RoundReport,
    Verdict,
    Verification,
)
from gnome_lite.store.database import SqlStore

LEVEL = "test-1"


def rocksalt(cation: int, anion: int, a: float = 5.0) -> Crystal:
    cell = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2
    return Crystal.make([cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]], cell)


def cubic_perovskite(a_site: int, b_site: int, anion: int, a: float = 4.0) -> Crystal:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystal.make([a_site, b_site, anion, anion, anion], sites, a * np.eye(3))


CRYSTALS = (
    rocksalt(3, 9, 4.1),  # LiF
    rocksalt(11, 17, 5.7),  # NaCl
    rocksalt(19, 17, 6.3),  # KCl
    cubic_perovskite(11, 25, 9, 4.2),  # NaMnF3
    cubic_perovskite(38, 22, 8, 3.9),  # SrTiO3
    rocksalt(72, 6, 4.7),  # HfC: an element beyond the first mask
)


def references(shift: float = 0.0) -> PhaseSet:
    elements = sorted({int(z) for c in CRYSTALS for z in c.numbers})
    return PhaseSet.make(
        [
            Phase(f"ref-{z}", Crystal.make([z], [[0, 0, 0]], 3 * np.eye(3)), -1.0 + shift, LEVEL, "test", "CC0")
            for z in elements
        ]
    )


def pool(crystals: tuple[Crystal, ...] = CRYSTALS, round: int = 1, parents: tuple[str, ...] = ()) -> CandidatePool:
    n = len(crystals)
    return CandidatePool(
        CrystalBatch.from_crystals(crystals),
        parents or ("ref-11",) * n,
        ("Na1+ -> K1+",) * n,
        ("substitution",) * n,
        np.array([0.5, *[math.nan] * (n - 1)]),
        np.arange(1, n + 1),
        round,
    )


def prediction(crystal: Crystal, p_stable: float, e_above_hull: float = 0.01) -> Prediction:
    return Prediction(crystal.content_id, -1.5, 0.02, e_above_hull, p_stable, "model-0")


def verification(proposed: Crystal, energy_ev: float = -9.0, **changed: Any) -> Verification:
    relaxed = Crystal(proposed.numbers, proposed.frac_coords, proposed.lattice * 1.01)
    fields: dict[str, Any] = {
        "candidate_id": proposed.content_id,
        "crystal": relaxed,
        "energy_ev": energy_ev,
        "max_force_ev_per_ang": 0.03,
        "n_steps": 12,
        "converged": True,
        "level": LEVEL,
        "seconds": 1.5,
    }
    return Verification(**fields | changed)


def failed(crystal: Crystal) -> Verification:
    return verification(crystal, math.nan, max_force_ev_per_ang=math.nan, converged=False, failure=Failure.TIMEOUT)


def verdict(crystal: Crystal, e_above_hull: float, hull_id: str = "hull-1", novel: bool = True) -> Verdict:
    products = (("ref-3", "Li", 0.5), ("ref-9", "F2", 0.5))
    return Verdict(
        crystal.content_id, -1.0, e_above_hull, e_above_hull or -0.2, products, hull_id, LEVEL, novel, None,
        "AB_cF8_225_a_b", Credibility(False, ("O2 dimer at 1.21 Å",), "ref-3", True),
    )  # fmt: skip


def report(round: int) -> RoundReport:
    return RoundReport(
        round=round, generated=100, gated=10, duplicates=5, screened=6, verified=5, control=1, failed=1,
        stable=2, novel=2, hits=2, hit_rate=0.4, control_hit_rate=None, daf=None,
        mae_ev_per_atom=0.05, calibration_error=0.1, ordering_suspects=0,
        failures={"timeout": 1}, gate_causes={"too close": 10}, model_id="model-0", hull_id="hull-1",
        seconds={"verify": 9.0},
    )  # fmt: skip


def play_round(store: SqlStore, campaign: str, round: int = 1) -> None:
    """All six crystals proposed and predicted; five verified, one of which fails; four judged."""
    ids = [c.content_id for c in CRYSTALS]
    store.add_candidates(campaign, pool(), [f"f{i}" for i in range(6)], {"kept": 6})
    store.add_predictions(campaign, round, [prediction(c, 0.9 - 0.1 * i) for i, c in enumerate(CRYSTALS)], {})
    store.add_selection(campaign, round, ids[:4], [ids[4]], {"chosen": 4})
    for i, crystal in enumerate(CRYSTALS[:4]):
        store.add_verification(campaign, round, verification(crystal, -9.0 - i))
    store.add_verification(campaign, round, failed(CRYSTALS[4]))
    store.finish(campaign, round, "verify", {"verified": 5, "seconds": 9.0})
    distances = (0.0, 0.1, 0.0, 0.03)
    verdicts = [verdict(c, e, novel=i != 2) for i, (c, e) in enumerate(zip(CRYSTALS, distances, strict=False))]
    store.add_verdicts(campaign, round, verdicts, {"judged": 4})
    store.add_model(campaign, round, ModelRecord("model-1", "models/1", 100, 10, 0.04, promoted=False), {})
    store.add_report(campaign, report(round))


def higher(
    store: SqlStore, campaign: str = "first", round: int = 1, e_above_hull: float = 0.02, level: str = "higher-1",
    grown: float = 1.0,
) -> Verdict:  # fmt: skip
    """LiF verified and judged at a level above the campaign's own, with `grown` times the volume; its verdict."""
    lif = CRYSTALS[0]
    store.add_selection(campaign, round, [lif.content_id], [], {"chosen": 1}, level)
    there = verification(Crystal(lif.numbers, lif.frac_coords, lif.lattice * grown ** (1 / 3)), -9.5, level=level)
    store.add_verification(campaign, round, replace(there, candidate_id=lif.content_id))
    found = replace(verdict(lif, e_above_hull, "hull-of-higher"), level=level)
    store.add_verdicts(campaign, round, [found], {"hull": "hull-of-higher", "reference_set": "set-1"}, level)
    return found


def begin(store: SqlStore, name: str = "first", **changed: Any) -> CampaignConfig:
    config = CampaignConfig(name=name, **changed)
    store.begin(config, references())
    store.add_model(name, 0, ModelRecord("model-0", "models/0", 90, 10, 0.05), {})
    return config
