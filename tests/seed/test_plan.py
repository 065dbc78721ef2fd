"""The seed's plan: every system its turns, and a smaller plan is the beginning of a larger one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gnome_lite.assemble import assemble_seed
from gnome_lite.config import CampaignConfig, Space
from gnome_lite.core.records import Candidate
from gnome_lite.seed.plan import FITTING, SeedParts, SeedPlan, plan_candidates

PLAN = SeedPlan(compounds=120, likeliest=0, max_atoms=8, generations=1)
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


def test_every_system_has_a_turn_before_any_has_many(parts: SeedParts) -> None:
    known = {crystal.content_id for _, crystal in (*parts.elements, *parts.prototypes)}
    many = [c for c in plan_candidates(replace(PLAN, compounds=400), parts) if c.id not in known]
    for size in (2, 3):
        order = [c.crystal.chemical_system for c in many if c.crystal.chemical_system.count("-") == size - 1]
        turns = Counter(order)
        rank = Counter[str]()
        for i, system in enumerate(order):
            rank[system] += 1
            # At its tenth turn all others have begun; what two structures alike leave out is a turn lost.
            if rank[system] == 10:
                assert set(order[:i]) == turns.keys()


def test_a_smaller_seed_is_the_beginning_of_a_larger_one(parts: SeedParts, planned: list[Candidate]) -> None:
    fewer = plan_candidates(replace(PLAN, compounds=40), parts)
    assert [c.id for c in fewer] == [c.id for c in planned[: len(fewer)]]
    assert np.isfinite(fewer[-1].crystal.lattice).all()


def test_after_chance_comes_what_suits_best(parts: SeedParts, planned: list[Candidate]) -> None:
    more = plan_candidates(replace(PLAN, likeliest=60), parts)
    assert [c.id for c in more[: len(planned)]] == [c.id for c in planned]
    best = more[len(planned) :]
    assert 50 <= len(best) <= 60
    assert {c.generator for c in best} <= set(FITTING)
    assert not {c.id for c in best} & {c.id for c in planned}
