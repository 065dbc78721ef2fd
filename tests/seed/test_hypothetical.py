"""The plan of hypothetical compounds: every system its turn, nothing that is there already, the same plan each time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gnome_lite.assemble import assemble_seed
from gnome_lite.config import CampaignConfig
from gnome_lite.core.origins import is_reported
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate
from gnome_lite.pipeline import silent
from gnome_lite.seed.hypothetical import LEAST_LIKELY_ALLOY, HypotheticalPlan, plan_hypothetical
from gnome_lite.seed.plan import SeedParts
from gnome_lite.sources.bundled_seed import SeedSource

ELEMENTS = ("Cs", "Ga", "La", "Co", "Te", "O")
MOST = {"substitution": 2000, "intermetallic": 500, "prototypes": 500, "partial": 200, "random": 20}
PLAN = HypotheticalPlan(150, 6, most=MOST)


@pytest.fixture(scope="module")
def references() -> PhaseSet:
    known = SeedSource(hypothetical=False).load()
    return known.take(known.crystals.within(ELEMENTS).nonzero()[0])


@pytest.fixture(scope="module")
def parts() -> SeedParts:
    space = {"elements": ELEMENTS, "max_elements": 3}
    return assemble_seed(CampaignConfig.model_validate({"space": space}), PLAN.max_atoms, LEAST_LIKELY_ALLOY)


@pytest.fixture(scope="module")
def planned(references: PhaseSet, parts: SeedParts) -> list[Candidate]:
    return plan_hypothetical(PLAN, references, parts, silent)


def test_candidates_are_new_and_within_the_limits(references: PhaseSet, planned: list[Candidate]) -> None:
    assert len(planned) == PLAN.compounds
    assert max(len(c.crystal) for c in planned) <= PLAN.max_atoms
    assert not {c.id for c in planned} & {crystal.content_id for crystal in references.crystals}
    assert len({c.id for c in planned}) == len(planned)
    reported = {id for id, source in zip(references.ids, references.sources, strict=True) if is_reported(source)}
    parents = {c.parent_id for c in planned if c.generator in ("substitution", "intermetallic")}
    assert parents
    assert parents <= reported


def test_every_binary_system_that_generators_reach_has_its_turn(planned: list[Candidate]) -> None:
    systems = Counter(c.crystal.chemical_system for c in planned)
    binary = {s for s in systems if s.count("-") == 1}
    oxides = {"-".join(sorted((e, "O"))) for e in ELEMENTS if e != "O"}
    assert oxides <= binary
    assert any(s.count("-") == 2 for s in systems)


def test_the_plan_is_the_same_each_time_and_a_smaller_one_its_beginning(
    references: PhaseSet, parts: SeedParts, planned: list[Candidate]
) -> None:
    smaller = plan_hypothetical(replace(PLAN, compounds=40), references, parts, silent)
    assert [c.id for c in smaller] == [c.id for c in planned[:40]]
