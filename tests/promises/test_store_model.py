"""Promise 2: whatever several campaigns do in whatever order, the store answers as a few dictionaries would."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from samples.small_campaign import CRYSTALS, LEVEL, begin, pool, prediction, verdict, verification
from soak import counted

from gnome_lite.core.errors import StoreError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

IDS = [c.content_id for c in CRYSTALS]
CRYSTAL = dict(zip(IDS, CRYSTALS, strict=True))
ROUNDS = (1, 2)
CAMPAIGNS = ("first", "second")

some_ids = st.lists(st.sampled_from(IDS), unique=True, max_size=4)
# Those that every store begins with, so that most of what is judged has been verified.
verified_ids = st.lists(st.sampled_from(IDS[:3]), unique=True, max_size=3)
rounds = st.sampled_from(ROUNDS)
campaigns = st.sampled_from(CAMPAIGNS)
distances = st.sampled_from([0.0, 0.01, 0.1])


@dataclass
class Judged:
    """One time that verdicts were issued: e_above_hull by candidate."""

    campaign: str
    round: int
    cause: str
    verdicts: dict[str, float]


@dataclass
class Model:
    """What the store must hold, as simply as it can be said."""

    candidates: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    predictions: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    selections: dict[tuple[str, int], list[tuple[str, str]]] = field(default_factory=dict)
    energies: dict[str, float] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    ever: set[str] = field(default_factory=set)

    def standing(self, campaign: str | None, up_to: int = 99) -> dict[str, float]:
        """The last verdict of each crystal, of a campaign or of all."""
        mine = (j for j in self.judged if campaign in (None, j.campaign) and j.round <= up_to)
        return {i: e for j in mine for i, e in j.verdicts.items()}


class StoreMachine(RuleBasedStateMachine):
    """Rules are what campaigns do; now and then, and in the end, all that can be asked is compared with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.open()

    def open(self) -> None:
        self.store = SqlStore.in_memory()

    @initialize()
    def begin_two(self) -> None:
        for campaign in CAMPAIGNS:
            self.begin(campaign)
            self.generate(campaign, 1, IDS[:4])
        self.verify("first", 1, IDS[:3], -9.0)

    @rule(campaign=campaigns)
    def begin(self, campaign: str) -> None:
        begin(self.store, campaign)

    @rule(campaign=campaigns, round=rounds, ids=some_ids)
    def generate(self, campaign: str, round: int, ids: list[str]) -> None:
        if ids:
            crystals = tuple(CRYSTAL[i] for i in ids)
            added = self.store.add_candidates(campaign, pool(crystals, round), ["f"] * len(ids), {"kept": len(ids)})
            assert added.n_new == len(set(ids) - self.model.ever)
            self.model.candidates[campaign, round] = ids
            self.model.ever.update(ids)
            assert self.store.done(campaign, round, "generate") == {"kept": len(ids)}

    @rule(campaign=campaigns, round=rounds, ids=some_ids, p=st.sampled_from([0.1, 0.5, 0.9]))
    def predict(self, campaign: str, round: int, ids: list[str], p: float) -> None:
        ids = [i for i in ids if i in self.model.ever]
        self.store.add_predictions(campaign, round, [prediction(CRYSTAL[i], p) for i in ids], {})
        self.model.predictions[campaign, round] = dict.fromkeys(ids, p)

    @rule(campaign=campaigns, round=rounds, ids=some_ids, n_control=st.integers(0, 2))
    def acquire(self, campaign: str, round: int, ids: list[str], n_control: int) -> None:
        ids = [i for i in ids if i in self.model.ever]
        chosen, control = ids[n_control:], ids[:n_control]
        elsewhere = {i for (c, r), s in self.model.selections.items() if c == campaign and r != round for i, _ in s}
        if elsewhere & set(ids):
            with pytest.raises(StoreError):
                self.store.add_selection(campaign, round, chosen, control, {})
        else:
            self.store.add_selection(campaign, round, chosen, control, {})
            roles = [(i, "chosen") for i in chosen] + [(i, "control") for i in control]
            self.model.selections[campaign, round] = roles

    @rule(campaign=campaigns, round=rounds, ids=some_ids, energy=st.sampled_from([-9.0, -8.0]))
    def verify(self, campaign: str, round: int, ids: list[str], energy: float) -> None:
        for i in ids:
            if i in self.model.ever:
                self.store.add_verification(campaign, round, verification(CRYSTAL[i], energy))
                self.model.energies.setdefault(i, energy)

    @rule(campaign=campaigns, round=rounds, ids=verified_ids, e=distances)
    def judge(self, campaign: str, round: int, ids: list[str], e: float) -> None:
        ids = [i for i in ids if i in self.model.energies]
        self.store.add_verdicts(campaign, round, [verdict(CRYSTAL[i], e) for i in ids], {})
        same = (campaign, round, "judged")
        self.model.judged = [j for j in self.model.judged if (j.campaign, j.round, j.cause) != same]
        self.model.judged.append(Judged(campaign, round, "judged", dict.fromkeys(ids, e)))

    @rule(campaign=campaigns, round=rounds, ids=verified_ids, e=distances)
    def judge_again(self, campaign: str, round: int, ids: list[str], e: float) -> None:
        """As often again: what verdicts stand is the hardest to keep right."""
        self.judge(campaign, round, ids, e)

    @rule(campaign=campaigns, ids=verified_ids, e=distances)
    def reissue(self, campaign: str, ids: list[str], e: float) -> None:
        ids = [i for i in ids if i in self.model.energies]
        rounds = [j.round for j in self.model.judged if j.campaign == campaign]
        verdicts = [verdict(CRYSTAL[i], e) for i in ids]
        if rounds:
            self.store.reissue_verdicts(campaign, verdicts, "new references", "hull-9", {})
            self.model.judged.append(Judged(campaign, max(rounds), "new references", dict.fromkeys(ids, e)))
        else:
            with pytest.raises(StoreError):
                self.store.reissue_verdicts(campaign, verdicts, "new references", "hull-9", {})

    @rule()
    def compare(self) -> None:
        self.verdicts_stand_as_issued()
        self.each_material_is_one_row()
        self.the_first_verification_is_kept()
        self.rounds_hold_what_they_were_given()

    def teardown(self) -> None:
        self.compare()

    def verdicts_stand_as_issued(self) -> None:
        for c in CAMPAIGNS:
            assert self.distances(self.store.verdicts(c)) == self.model.standing(c)
            for r in ROUNDS:
                assert self.distances(self.store.verdicts(c, r)) == self.model.standing(c, r)

    def each_material_is_one_row(self) -> None:
        hits = self.store.query(Query(include_unverified=True))
        assert sorted(h.id for h in hits) == sorted(self.model.ever)
        latest = {h.id: h.e_above_hull_ev_per_atom for h in self.store.query(Query())}
        assert latest == self.model.standing(None)

    def the_first_verification_is_kept(self) -> None:
        found = [(v.candidate_id, v.energy_ev) for v in self.store.verifications(LEVEL)]
        assert found == sorted(self.model.energies.items())

    def rounds_hold_what_they_were_given(self) -> None:
        for c in CAMPAIGNS:
            for r in ROUNDS:
                p = self.model.predictions.get((c, r), {})
                assert {k.id: v.p_stable for k, v in self.store.predictions(c, r)} == p
                s = self.model.selections.get((c, r), [])
                assert [(k.id, role) for k, role in self.store.selected(c, r)] == s
                fresh = set(self.model.candidates.get((c, r), ())) - self.model.energies.keys()
                assert {k.id for k in self.store.unverified(c, r, LEVEL, 0)} == fresh
                done = {i for i, _ in s} & self.model.energies.keys()
                assert {v.candidate_id for v in self.store.outcomes(c, r)} == done

    @staticmethod
    def distances(verdicts: Any) -> dict[str, float]:
        return {i: v.e_above_hull_ev_per_atom for i, v in verdicts.items()}


class FileMachine(StoreMachine):
    """The same on a file, that other processes' connections come and go on."""

    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.sqlite"
        self.store = SqlStore.open(self.path)

    @rule()
    def reopen(self) -> None:
        self.store = SqlStore.open(self.path, create=False)

    def teardown(self) -> None:
        self.compare()
        self.folder.cleanup()


def play(machine: type[StoreMachine], trials: range) -> None:
    """As many sequences, other ones for each part of the count."""
    seeded = seed(trials.start)(type(machine.__name__, (machine,), {}))
    quiet = settings(
        max_examples=len(trials), stateful_step_count=30, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(seeded, settings=quiet)


@counted(10, 2000, "sequences", parts=4)
def test_the_store_is_its_model(trials: range) -> None:
    """Promise 2: random sequences of what two campaigns write, against a model in memory."""
    play(StoreMachine, trials)


@pytest.mark.slow
@counted(3, 100, "sequences")
def test_a_store_on_disk_is_its_model(trials: range) -> None:
    """Promise 2: the same on a file, opened anew in between."""
    play(FileMachine, trials)
