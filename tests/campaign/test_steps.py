"""Single steps of a round, with real stages and candidates made by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnome_lite.assemble import assemble
from gnome_lite.campaign.context import Context
from gnome_lite.campaign.steps import generate, learn, prepare
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.settings import Settings


@dataclass
class Made:
    """`pipeline.Candidates` that gives the same pools whatever it is asked."""

    pools: list[CandidatePool]
    skipped: Counter[str] = field(default_factory=Counter)

    def stream(self, *asked: object) -> Made:
        return self

    def __iter__(self) -> Iterator[CandidatePool]:
        return iter(self.pools)


def pool(crystal: Crystal, scale: float, generator: str, probability: float) -> CandidatePool:
    batch, name = CrystalBatch.from_crystals([crystal]).scaled(scale), (f"from {generator}",)
    return CandidatePool(batch, name, name, (generator,), np.array([probability]), np.ones(1, np.int64), 1)


@pytest.mark.parametrize("first", ["prototypes", "substitution"])
def test_of_two_ways_to_one_crystal_the_likelier_is_its_provenance(tmp_path: Path, first: str) -> None:
    """Also where a way without a probability came first, and in another cell; other crystals stay as they are."""
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    sulphide, chloride = (Crystal.make([19, 14, x, x, x], sites, a * np.eye(3)) for x, a in ((16, 5.0), (17, 5.1)))
    ways: dict[str, Any] = {"prototypes": np.nan, "substitution": 0.3, "partial": 0.1}
    order = [first, *(name for name in ways if name != first)]
    pools = [pool(sulphide, 1.0 + 0.02 * k, name, ways[name]) for k, name in enumerate(order)]
    other = pool(chloride, 1.0, "random", np.nan)
    config = CampaignConfig.model_validate({"gates": {"charge_balance": "off"}})
    stages = replace(assemble(config, Settings(home=tmp_path)), candidates=Made([other, *pools]))
    context = Context(stages)
    prepare(context)
    figures = generate(context, 1)
    assert (figures["generated"], figures["duplicates"], figures["kept"]) == (4, 2, 2)
    assert figures["kept_by_generator"] == {"random": 1, "substitution": 1}
    stored = stages.store.candidates_with_formulas({sulphide.reduced_formula, chloride.reduced_formula})
    kept = {c.generator: c for of in stored.values() for c in of}
    assert kept["substitution"].probability == 0.3
    assert kept["substitution"].parent_id == "from substitution"


def test_a_campaign_that_never_retrains_keeps_its_base_model(tmp_path: Path) -> None:
    config = CampaignConfig.model_validate({"predict": {"retrain": "never"}})
    stages = assemble(config, Settings(home=tmp_path))
    context = Context(stages)
    base = prepare(context)["model"]
    assert learn(context, 1) == {"model": base}
    assert stages.store.model(config.name, 2).id == base
