"""The seed's plan: every system its turns, and a smaller plan is the beginning of a larger one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gnome_lite.assemble import assemble_seed
from gnome_lite.config import CampaignConfig, Space
from gnome_lite.records import Candidate
from gnome_lite.seed_plan import QUOTAS, SeedParts, SeedPlan, plan_candidates

PLAN = SeedPlan(compounds=120, max_atoms=8, generations=1)
SPACE = Space(elements=("Li", "Na", "Mg", "Al", "O", "F"))


@pytest.fixture(scope="module")
def parts() -> SeedParts:
    return assemble_seed(CampaignConfig(space=SPACE), PLAN.max_atoms)


@pytest.fixture(scope="module")
def planned(parts: SeedParts) -> list[Candidate]:
    return plan_candidates(PLAN, parts)


def test_elements_and_small_prototypes_come_first(parts: SeedParts, planned: list[Candidate]) -> None:
    assert {c.id for c in planned[:80]} <= {crystal.content_id for _, crystal in parts.elements}
    known = {crystal.content_id for _, crystal in (*parts.elements, *parts.prototypes)}
    made = [c for c in planned if c.id not in known]
    assert PLAN.compounds - 20 <= len(made) <= PLAN.compounds
    assert len({c.id for c in planned}) == len(planned)
    assert max(len(c.crystal) for c in made) <= PLAN.max_atoms


def test_all_generators_and_no_other_elements(parts: SeedParts, planned: list[Candidate]) -> None:
    known = {crystal.content_id for _, crystal in (*parts.elements, *parts.prototypes)}
    made = [c for c in planned if c.id not in known]
    assert {c.generator for c in made} == {"substitution", "partial", "prototypes", "random", "intermetallic"}
    assert {e for c in made for e in c.crystal.chemical_system.split("-")} <= set(SPACE.elements)


def test_no_system_has_more_than_its_turns(parts: SeedParts) -> None:
    many = plan_candidates(replace(PLAN, compounds=400), parts)
    known = {crystal.content_id for _, crystal in (*parts.elements, *parts.prototypes)}
    order = [c.crystal.chemical_system for c in many if c.id not in known]
    # After any part of the plan, two systems of equal size that still have something are one turn apart at most.
    first = Counter(order[: len(order) // 3])
    for size in QUOTAS:
        lasting = [s for s, n in Counter(order).items() if s.count("-") == size - 1 and n > max(first.values())]
        turns = [first[s] for s in lasting]
        assert not turns or max(turns) - min(turns) <= 1


def test_a_smaller_seed_is_the_beginning_of_a_larger_one(parts: SeedParts, planned: list[Candidate]) -> None:
    fewer = plan_candidates(replace(PLAN, compounds=40), parts)
    assert [c.id for c in fewer] == [c.id for c in planned[: len(fewer)]]
    assert np.isfinite(fewer[-1].crystal.lattice).all()
