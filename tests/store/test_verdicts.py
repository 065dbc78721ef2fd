"""Verdicts: which one stands, at each level of theory, when they are issued, re-issued and taken back."""

from __future__ import annotations

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, begin, higher, verdict

from gnome_lite.core.errors import LevelMismatchError, StoreError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

IDS = [c.content_id for c in CRYSTALS]
HIGHER = "higher-1"


def test_each_level_has_its_own_selection_verdicts_and_marks(played: SqlStore) -> None:
    before = played.verdicts("first")
    found = higher(played)
    assert played.verdicts("first", level=HIGHER) == played.verdicts("first", 1, HIGHER) == {IDS[0]: found}
    assert played.verdicts("first") == played.verdicts("first", level=LEVEL) == before
    assert played.verdicts("first", 0, HIGHER) == {}
    assert [(c.id, role) for c, role in played.selected("first", 1, HIGHER)] == [(IDS[0], "chosen")]
    assert len(played.selected("first", 1)) == 5
    assert played.done("first", 1, f"acquire {HIGHER}") == {"chosen": 1}
    assert played.done("first", 1, f"judge {HIGHER}") == {"hull": "hull-of-higher", "reference_set": "set-1"}
    assert played.done("first", 1, "judge") == {"judged": 4}
    assert [(v.verdict.level, v.cause) for v in played.show(IDS[0]).verdicts] == [(LEVEL, "judged"), (HIGHER, "judged")]
    assert {c.level for c in played.query(Query())} == {LEVEL}


def test_repeating_a_step_of_a_level_changes_no_other(played: SqlStore) -> None:
    higher(played)
    own = played.verdicts("first")
    again = higher(played, e_above_hull=0.3)
    assert played.verdicts("first", level=HIGHER) == {IDS[0]: again}
    played.add_verdicts("first", 1, [], {}, HIGHER)
    assert played.verdicts("first", level=HIGHER) == {}
    assert played.verdicts("first") == own


def test_nothing_is_selected_twice_at_one_level(played: SqlStore) -> None:
    higher(played)
    for level in (None, LEVEL, HIGHER):
        with pytest.raises(StoreError, match="refused a row"):
            played.add_selection("first", 2, IDS[:1], [], {}, level)
    played.add_selection("first", 2, IDS[:1], [], {}, "third-1")
    begin(played, "second")
    played.add_selection("second", 1, IDS[:1], [], {}, HIGHER)


def test_of_two_campaigns_the_last_verdict_stands_at_a_level(played: SqlStore) -> None:
    mine = higher(played)
    begin(played, "second")
    others = higher(played, "second", 4, 0.04)
    assert played.verdicts("first", level=HIGHER) == {IDS[0]: mine}
    assert played.verdicts("second", level=HIGHER) == {IDS[0]: others}
    assert [c.e_above_hull_ev_per_atom for c in played.query(level=HIGHER)] == [0.04]
    assert [c.e_above_hull_ev_per_atom for c in played.query(level=HIGHER, campaign="first")] == [0.02]
    played.add_verdicts("second", 4, [], {}, HIGHER)
    assert [c.e_above_hull_ev_per_atom for c in played.query(level=HIGHER)] == [0.02]


def test_a_verdict_of_another_level_is_refused(played: SqlStore) -> None:
    with pytest.raises(LevelMismatchError, match=f"verdicts of {LEVEL} are no verdicts of {HIGHER}"):
        played.add_verdicts("first", 2, [verdict(CRYSTALS[0], 0.0)], {}, HIGHER)
    with pytest.raises(StoreError, match="no campaign 'nobody'"):
        played.add_verdicts("nobody", 1, [], {})


def test_taking_a_rounds_verdicts_back_lets_the_earlier_ones_stand(played: SqlStore) -> None:
    """The judging step ran, was killed before its mark counted, and finds less to say when it runs again."""
    moved = [verdict(CRYSTALS[0], 0.07, "hull-2"), verdict(CRYSTALS[1], 0.0, "hull-2")]
    played.add_verdicts("first", 2, moved, {})
    played.add_verdicts("first", 2, moved[1:], {})
    assert played.verdicts("first")[IDS[0]].hull_id == "hull-1"
    assert played.verdicts("first")[IDS[1]].hull_id == "hull-2"
    assert {c.id: c.hull_id for c in played.query(Query())}[IDS[0]] == "hull-1"
    assert len(played.show(IDS[0]).verdicts) == 1


def test_verdicts_of_a_campaign_without_any_cannot_be_reissued(store: SqlStore) -> None:
    begin(store)
    with pytest.raises(StoreError, match="no verdicts to re-issue: `gnome-lite run` issues the first"):
        store.reissue_verdicts("first", [], "other references", "", {})
