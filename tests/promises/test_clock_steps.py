"""Promise 12: a clock that is set forward or back steals no lock and reorders nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from samples.small_campaign import CRYSTALS, begin, play_round, references, verdict
from soak import counted

from gnome_lite.assemble import open_phases, open_store
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import StoreError
from gnome_lite.settings import Settings
from gnome_lite.sources.reference_files import write_references
from gnome_lite.store import writes
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query

LIF = CRYSTALS[0].content_id
YEAR_S = 3.2e7
ISSUED = 5


class SteppedClock:
    """A clock that jumps, mostly back, by up to some years each time that it is stepped."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.at_s = rng, 1.8e9

    def __call__(self) -> float:
        return self.at_s

    def step(self) -> None:
        self.at_s += self.rng.choice([-1, -1, 1]) * 10 ** self.rng.uniform(0, 1) * self.rng.choice([1, 3600, YEAR_S])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedClock]:
    stepped = SteppedClock(random.Random(0))
    monkeypatch.setattr(writes, "clock", stepped)
    return stepped


def play_schedule(store: SqlStore, other: SqlStore, clock: SteppedClock, campaign: str) -> None:
    """Verdicts issued at times in any order while the campaign is held; someone else asks for it again and again."""
    begin(store, campaign)
    play_round(store, campaign)
    issued = [0.0]
    with store.exclusive(campaign):
        for k in range(ISSUED):
            clock.step()
            moved = verdict(CRYSTALS[0], 0.01 * (k + 1))
            if clock.rng.random() < 0.5:
                store.reissue_verdicts(campaign, [moved], "other references", "hull-2", {})
            else:
                store.add_verdicts(campaign, k + 2, [moved], {})
            issued.append(moved.e_above_hull_ev_per_atom)
            with pytest.raises(StoreError, match="is being run"), other.exclusive(campaign):
                pass
            assert other.verdicts(campaign)[LIF] == moved
            assert [h.e_above_hull_ev_per_atom for h in other.query(Query(campaign=campaign)) if h.id == LIF] == [
                moved.e_above_hull_ev_per_atom
            ]
    history = [v.verdict.e_above_hull_ev_per_atom for v in other.show(LIF).verdicts if v.campaign == campaign]
    assert history == issued
    clock.step()
    with other.exclusive(campaign):
        pass


@counted(4, 500, "schedules")
def test_no_step_of_the_clock_steals_or_reorders(clock: SteppedClock, tmp_path: Path, trials: range) -> None:
    """Promise 12: a held campaign stays held, and of two verdicts the one issued later stands, whatever the time."""
    store = SqlStore.open(tmp_path / "store.sqlite")
    other = SqlStore.open(tmp_path / "store.sqlite")
    for trial in trials:
        clock.rng.seed(trial)
        play_schedule(store, other, clock, f"of-{trial}")


@pytest.mark.slow
@counted(2, 50, "schedules")
def test_nor_on_a_server(clock: SteppedClock, postgres: str, trials: range) -> None:
    """Promise 12: the same on PostgreSQL."""
    store, other = SqlStore.open(postgres), SqlStore.open(postgres)
    for trial in trials:
        clock.rng.seed(trial)
        play_schedule(store, other, clock, f"of-{trial}-{len(trials)}")


def test_steps_of_a_round_are_told_in_their_order(clock: SteppedClock) -> None:
    """Promise 12: the last step that `gnome-lite status` shows is the last one done."""
    store = SqlStore.in_memory()
    begin(store)
    steps = ("generate", "predict", "acquire", "verify", "judge", "learn", "report")
    for step in steps:
        store.finish("first", 1, step, {})
        clock.at_s -= 60
    (told,) = store.status().campaigns[0].rounds
    assert list(told.steps) == list(steps)


def test_analyses_take_the_references_of_the_campaign_begun_last(clock: SteppedClock, tmp_path: Path) -> None:
    """Promise 12: the campaign begun last is the last, whatever the time was."""
    settings, file = Settings(home=tmp_path), tmp_path / "emt.parquet"
    write_references(file, [replace(phase, level="emt") for phase in references()])
    store = open_store(settings, create=True)
    store.begin(CampaignConfig(name="by-chgnet"), references())
    clock.at_s -= 60
    of_emt = {"name": "by-emt", "sources": {"seed": False, "files": [file]}, "verify": {"calculator": "emt"}}
    store.begin(CampaignConfig.model_validate(of_emt), references())
    assert open_phases(settings).level == "emt"
