"""Each kind of sabotage has its right cause: here those that need no deadline, in processes all of them."""

from __future__ import annotations

import pytest
from soak import counted

from benchmarks.sabotage import GOOD, KINDS, saboteur
from benchmarks.sizes import Effort, size
from benchmarks.verification_sabotage import DEADLINE_S, OVERRUN_S, play, sabotaged_crystal
from gnome_lite.core.records import Failure
from gnome_lite.verify.relax import relax

IN_PROCESS = [kind for kind, (_, cause) in KINDS.items() if cause not in (Failure.TIMEOUT, Failure.OUT_OF_MEMORY)]


@pytest.mark.parametrize("kind", [k for k in IN_PROCESS if k != "segfault"])
def test_right_cause_and_the_next_crystal_is_untouched(kind: str) -> None:
    element, cause = KINDS[kind]
    calculator = saboteur()
    for seed in range(20):
        end = relax(sabotaged_crystal(element, seed), calculator)
        assert end.failure is cause, (seed, end.detail)
        assert end.detail
        assert relax(sabotaged_crystal(GOOD, seed), calculator).failure is None


@pytest.mark.slow
@counted(1, size("verification_sabotage.each", Effort.LONG), "deaths of each of ten kinds")
def test_every_kind_costs_one_candidate_in_time(trials: range) -> None:
    """Promise 9: a hang, a segfault, a memory hog and others in real workers cost one candidate each, in time."""
    wanted, outcomes = play(len(trials))
    assert outcomes.keys() == wanted.keys()
    wrong = [
        (kind, outcomes[i].failure, outcomes[i].detail) for i, (kind, c) in wanted.items() if outcomes[i].failure != c
    ]
    assert not wrong
    late = [v.seconds for v in outcomes.values() if v.failure is Failure.TIMEOUT and v.seconds > DEADLINE_S + OVERRUN_S]
    assert not late
