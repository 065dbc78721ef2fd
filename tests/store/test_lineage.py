"""The history of one crystal, through all levels."""

from __future__ import annotations

import pytest
from samples.small_campaign import CRYSTALS, LEVEL, higher, pool, references, verdict

from gnome_lite.core.errors import StoreError
from gnome_lite.core.records import Failure
from gnome_lite.store.database import SqlStore

IDS = [c.content_id for c in CRYSTALS]


def test_show_tells_everything(played: SqlStore) -> None:
    parent = IDS[0]
    played.add_candidates("first", pool((CRYSTALS[5],), 2, (parent,)), ["f5"], {})
    child = CRYSTALS[0].make([3, 35], CRYSTALS[0].frac_coords, CRYSTALS[0].lattice)
    played.add_candidates("first", pool((child,), 3, (parent,)), ["f9"], {})
    history = played.show(child.content_id)
    assert [(a.id, a.formula) for a in history.lineage] == [(parent, "LiF"), ("ref-11", None)]
    assert (history.formula, history.chemical_system, history.campaigns) == ("LiBr", "Br-Li", (("first", 3),))
    told = played.show(IDS[4][:12])
    assert told.candidate.id == IDS[4]
    assert told.verifications[0].verification.failure is Failure.TIMEOUT
    assert (told.selections[0].role, told.predictions[0].prediction.p_stable) == ("control", pytest.approx(0.5))
    assert played.show(parent).verdicts[0].verdict == verdict(CRYSTALS[0], 0.0)
    with pytest.raises(StoreError, match="no crystal 'gl-zzz'"):
        played.show("gl-zzz")
    with pytest.raises(StoreError, match="begins more than one id"):
        played.show("gl-")
    with pytest.raises(StoreError, match="no crystal ''"):
        played.show("")


def test_the_last_verdict_at_each_level_stands(played: SqlStore) -> None:
    level = higher(played).level
    moved = verdict(CRYSTALS[0], 0.07, "hull-2")
    played.reissue_verdicts("first", [moved], "other references", "hull-2", {}, references(shift=0.1))
    history = played.show(IDS[0])
    assert [(s.level, s.own, s.rank) for s in history.selections] == [(level, False, 0), (LEVEL, True, 0)]
    own, above = history.standing[LEVEL], history.standing[level]
    assert list(history.standing) == [LEVEL, level]
    assert (own.verdict, own.own, own.n_references) == (moved, True, 11)
    assert (own.reference_set_id, above.reference_set_id) == (references(shift=0.1).id, "set-1")
    assert (above.own, above.n_references, above.round) == (False, None, 1)
    # What the first verdict rested on is told too, though the campaign has gone on with other references.
    first = history.verdicts[0]
    assert (first.reference_set_id, first.n_references) == (references().id, None)
