"""What a campaign learns from: its own past, and what was known beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, failed, pool, prediction, references, verification

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.history import prediction_history, training_sets
from gnome_lite.config import Space
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.store.database import SqlStore


@pytest.fixture
def context() -> Context:
    """Campaign "first" has verified two crystals in two rounds and failed with one; another campaign one more."""
    store = SqlStore.in_memory()
    begin(store)
    begin(store, "other")
    for round, crystal in ((1, CRYSTALS[0]), (2, CRYSTALS[1])):
        store.add_candidates("first", pool((crystal,), round), ["f"], {})
        store.add_predictions("first", round, [prediction(crystal, 0.5 + 0.1 * round)], {})
        store.add_selection("first", round, [crystal.content_id], [], {})
        store.add_verification("first", round, verification(crystal))
    store.add_candidates("first", pool((CRYSTALS[2],), 3), ["f"], {})
    store.add_selection("first", 3, [CRYSTALS[2].content_id], [], {})
    store.add_verification("first", 3, failed(CRYSTALS[2]))
    store.add_candidates("other", pool((CRYSTALS[3],), 1), ["f"], {})
    store.add_selection("other", 1, [CRYSTALS[3].content_id], [], {})
    store.add_verification("other", 1, verification(CRYSTALS[3]))
    space = Space(elements=tuple(references().elemental_ev_per_atom))
    parts: Any = SimpleNamespace(
        store=store, config=SimpleNamespace(name="first", space=space), verifier=SimpleNamespace(level=LEVEL),
        source=SimpleNamespace(load=references), novelty=CrystalNovelty(),
    )  # fmt: skip
    return Context(parts)


def test_predictions_of_earlier_rounds_with_what_was_found(context: Context) -> None:
    first = prediction_history(context, 2)
    assert [p.candidate_id for p in first.predictions] == [CRYSTALS[0].content_id]
    both = prediction_history(context, 3)
    assert [p.p_stable for p in both.predictions] == [0.6, 0.7]
    assert [c.content_id for c in both.crystals] == [c.content_id for c in CRYSTALS[:2]]  # as they were proposed
    # -9 eV a cell of two atoms, elements at -1 eV/atom.
    assert both.verified_ev_per_atom == pytest.approx([(-9 + 2) / 2] * 2)
    assert prediction_history(context, 1).predictions == ()


def test_references_of_other_elements_are_not_trained_on(context: Context) -> None:
    every = len(training_sets(context, 3)[0])
    context.stages.config.space = Space(elements=("Cs", "I"))  # type: ignore[misc]
    assert len(training_sets(context, 3)[0]) < every


def test_what_others_verified_is_known_and_not_new(context: Context) -> None:
    known, new = training_sets(context, 3)
    assert len(known) == len(references()) + 1
    assert known.crystals.reduced_formulas()[-1] == CRYSTALS[3].reduced_formula
    # Each of the two as it relaxed and as it was proposed, with one and the same energy.
    assert len(new) == 4
    assert new.e_form_ev_per_atom == pytest.approx([-3.5] * 4)
    volumes = new.crystals.volumes
    assert volumes[:2] == pytest.approx(volumes[2:] * 1.01**3)
    assert np.isfinite(known.e_form_ev_per_atom).all()
