"""Verdicts issued again: only where something moved, with history, for references and for verified crystals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnome_lite.campaign.context import Seen
from gnome_lite.campaign.reevaluate import REFERENCES, VERIFICATIONS, first_verdict, reevaluate
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import LevelMismatchError, MissingReferenceError, StoreError
from gnome_lite.core.novelty_kinds import NoveltyKind
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import CandidatePool, Credibility, Phase, Verification
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore

LEVEL = "test-1"
SEEN = Seen(True, None, "", Credibility(False, (), None, False), NoveltyKind.FORMULA)


def rocksalt(cation: int, anion: int, a: float) -> Crystal:
    return Crystal.make(
        [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]], np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2
    )


def caesium_chloride(cation: int, anion: int, a: float) -> Crystal:
    return Crystal.make([cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]], a * np.eye(3))


LIO, LIO_CS, FEO = rocksalt(3, 8, 4.2), caesium_chloride(3, 8, 2.6), rocksalt(26, 8, 4.3)
LIFEO2 = Crystal.make([3, 26, 8, 8], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], np.diag([4.2, 4.2, 4.3]))


def reference(entry_id: str, crystal: Crystal, energy_ev: float, level: str = LEVEL, source: str = "test") -> Phase:
    return Phase(entry_id, crystal, energy_ev, level, source, "CC0")


def references(*more: Phase, level: str = LEVEL, elements: tuple[int, ...] = (3, 8, 26)) -> PhaseSet:
    pure = [reference(f"pure-{z}", Crystal.make([z], [[0, 0, 0]], 3 * np.eye(3)), -1.0, level) for z in elements]
    return PhaseSet.make([*pure, *more])


def verification(crystal: Crystal, e_form: float, **changed: Any) -> Verification:
    energy = (e_form - 1.0) * len(crystal)
    fields: dict[str, Any] = {"converged": True, "level": LEVEL, "seconds": 1.0, "failure": None}
    return Verification(crystal.content_id, crystal, energy, 0.01, 5, **fields | changed)


FOUND = [verification(LIO, -1.0), verification(FEO, -0.8), verification(LIFEO2, -0.85)]


def propose(store: SqlStore, crystals: list[Crystal], round: int) -> None:
    n, nothing = len(crystals), ("",) * len(crystals)
    batch = CrystalBatch.from_crystals(crystals)
    pool = CandidatePool(batch, nothing, nothing, ("test",) * n, np.full(n, 0.5), np.ones(n, np.int64), round)
    store.add_candidates("first", pool, batch.reduced_formulas(), {})
    store.add_selection("first", round, [c.content_id for c in crystals], [], {})


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    """A campaign after its first round: LiO and FeO on the hull, LiFeO2 50 meV/atom above."""
    store = SqlStore.open(tmp_path / "store.sqlite")
    store.begin(CampaignConfig(name="first"), references())
    propose(store, [LIO, FEO, LIFEO2], 1)
    propose(store, [LIO_CS], 2)
    store.add_verifications("first", 1, FOUND)
    hull = build_hull(references().add(FOUND))
    ids = [v.candidate_id for v in FOUND]
    verdicts = [first_verdict(i, p, LEVEL, SEEN) for i, p in zip(ids, hull.verdicts(ids), strict=True)]
    store.add_verdicts("first", 1, verdicts, {"hull": hull.id})
    return store


def again(store: SqlStore, now: PhaseSet, known_as: str = references().id) -> Any:
    return reevaluate(store, "first", known_as, now, build_hull, CrystalNovelty())


def distances(store: SqlStore) -> dict[str, float]:
    names = {LIO.content_id: "LiO", FEO.content_id: "FeO", LIFEO2.content_id: "LiFeO2", LIO_CS.content_id: "LiO CsCl"}
    return {names[i]: pytest.approx(v.e_above_hull_ev_per_atom) for i, v in store.verdicts("first").items()}


def test_nothing_changed_nothing_issued(store: SqlStore) -> None:
    assert distances(store) == {"LiO": 0.0, "FeO": 0.0, "LiFeO2": 0.05}
    outcome = again(store, references())
    assert (outcome.standing, outcome.affected, outcome.moved, outcome.cause) == (3, 0, (), VERIFICATIONS)
    assert len(store.show(LIO.content_id).verdicts) == 1


def test_other_references_move_what_rests_on_them(store: SqlStore) -> None:
    """A new phase Li2O below the hull of Li-O moves LiO and LiFeO2, not FeO."""
    li2o = Crystal.make(
        [3, 3, 8], [[0.25] * 3, [0.75] * 3, [0, 0, 0]], np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.3
    )
    now = references(reference("Li2O", li2o, 3 * (-2.0 - 1.0)))
    outcome = again(store, now)
    assert outcome.cause == REFERENCES
    assert {new.candidate_id for _, new in outcome.moved} == {LIO.content_id, LIFEO2.content_id}
    assert (outcome.lost, outcome.gained) == (1, 0)
    # Against Li2O at -2: LiO stands above 3/4 Li2O + 1/4 O at -1.5.
    assert distances(store)["LiO"] == 0.5
    first, second = store.show(LIO.content_id).verdicts
    assert (first.cause, second.cause, second.round) == ("judged", REFERENCES, 1)
    assert first.verdict.e_above_hull_ev_per_atom == 0.0
    assert second.verdict.hull_id != first.verdict.hull_id
    assert {formula for _, formula, _ in second.verdict.products} == {"Li2O", "O2"}
    assert len(store.show(FEO.content_id).verdicts) == 1
    # The campaign goes on with them, and the query shows the new verdict.
    (campaign,) = store.status().campaigns
    assert (campaign.reference_set_id, campaign.n_references) == (now.id, 4)
    store.begin(CampaignConfig(name="first"), now)
    assert again(store, now, now.id).moved == ()
    # Back again: the old numbers, a third verdict.
    assert again(store, references(), now.id).gained == 1
    assert [v.verdict.stable for v in store.show(LIO.content_id).verdicts] == [True, False, True]


def test_an_elements_reference_moves_every_formation_energy_with_it(store: SqlStore) -> None:
    deeper = references(reference("deep-oxygen", Crystal.make([8], [[0, 0, 0]], 2.9 * np.eye(3)), -1.2))
    moved = {new.candidate_id: new for _, new in again(store, deeper).moved}
    assert moved.keys() == {LIO.content_id, FEO.content_id, LIFEO2.content_id}
    assert moved[LIO.content_id].e_form_ev_per_atom == pytest.approx(-1.0 + 0.2 / 2)


def test_a_crystal_among_the_references_is_not_novel_any_more(store: SqlStore) -> None:
    same = reference("mp-1", rocksalt(3, 8, 4.21), 2 * (-1.0 - 1.0))
    again(store, references(same))
    verdicts = store.verdicts("first")
    assert (verdicts[LIO.content_id].novel, verdicts[LIO.content_id].nearest_known) == (False, "mp-1")
    assert verdicts[FEO.content_id].novel
    again(store, references(), references(same).id)
    assert store.verdicts("first")[LIO.content_id].novel


@pytest.mark.parametrize(
    ("crystal", "source", "kind"),
    [
        (LIO_CS, "reported: cesium-chloride type", NoveltyKind.STRUCTURE),
        (LIO_CS, "gnome_lite seed, random", NoveltyKind.TO_REPORTED),
        (LIO, "gnome_lite seed, random", NoveltyKind.TO_REPORTED),
        (LIO, "reported: rock-salt type", None),
    ],
)
def test_what_is_new_is_told_anew_beside_other_references(
    store: SqlStore, crystal: Crystal, source: str, kind: NoveltyKind | None
) -> None:
    other = references(reference("other", crystal, 2 * (-0.5 - 1.0), source=source))
    again(store, other)
    verdicts = store.verdicts("first")
    assert (verdicts[LIO.content_id].novel, verdicts[LIO.content_id].novelty) == (crystal is LIO_CS, kind)
    assert verdicts[FEO.content_id].novelty is NoveltyKind.FORMULA
    last = store.show(LIO.content_id).verdicts[-1]
    assert last.coverage == ((1, 0) if source.startswith("reported") else (0, 1))
    again(store, references(), other.id)
    assert store.verdicts("first")[LIO.content_id].novelty is NoveltyKind.FORMULA


def test_what_was_verified_by_others_counts(store: SqlStore) -> None:
    """A crystal that came into the store without a verdict of this campaign moves those it competes with."""
    store.add_verification("first", 2, verification(LIO_CS, -1.1))
    outcome = again(store, references())
    assert outcome.cause == VERIFICATIONS
    assert {new.candidate_id for _, new in outcome.moved} == {LIO.content_id, LIFEO2.content_id}


def test_bad_input_is_named_and_nothing_written(store: SqlStore) -> None:
    with pytest.raises(LevelMismatchError, match=r"verdicts of level test-1, its sources now hold other"):
        again(store, references(level="other"))
    with pytest.raises(MissingReferenceError, match="Fe"):
        again(store, references(elements=(3, 8)))
    with pytest.raises(StoreError, match="'second' has no verdicts to re-issue: `gnome-lite run`"):
        reevaluate(store, "second", "", references(), build_hull, CrystalNovelty())
    assert all(len(store.show(v.candidate_id).verdicts) == 1 for v in FOUND)
    assert len(store.verifications(LEVEL)) == 3
