"""Promise 2: campaigns that run on one store at once neither keep a material twice nor spoil a hull."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from samples.fork_server import ForkServer
from samples.ledger import LEVEL, check_rows, noted
from samples.tiny_campaign import references
from soak import counted

from gnome_lite.assemble import make_novelty, open_store
from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import Verification
from gnome_lite.settings import Settings
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.query import Query

TOLERANCE_EV_PER_ATOM = 1e-9


def above_hull(among: list[Verification], of: list[str]) -> dict[str, float]:
    """Distances above the hull of the references and some verified crystals, eV/atom."""
    verdicts = build_hull(references().add(among)).verdicts(of)
    return {i: v.e_above_hull_ev_per_atom for i, v in zip(of, verdicts, strict=True)}


def stored_twice(home: Path, url: str | None = None) -> list[str]:
    """Return the materials of a store that equal another one of it."""
    store = open_store(Settings(home=home, database_url=url))
    hits = sorted(store.query(Query(include_unverified=True)), key=lambda h: h.id)
    ids, crystals = [h.id for h in hits], CrystalBatch.from_crystals(h.input_crystal for h in hits)
    return [i for i, same in zip(ids, make_novelty().index().admit(ids, crystals), strict=True) if same is not None]


@pytest.mark.slow
def test_campaigns_one_after_another_store_no_material_twice(server: ForkServer, tmp_path: Path) -> None:
    """Promise 2: two campaigns of two seeds, the second after the first."""
    for name, seed in (("first", 0), ("second", 1)):
        assert server.run_together(tmp_path / "home", {name: seed}) == [0]
    assert stored_twice(tmp_path / "home") == []


@pytest.mark.slow
@counted(1, 10, "overlaps")
def test_campaigns_at_once_store_no_material_twice(server: ForkServer, tmp_path: Path, trials: range) -> None:
    """Promise 2: two campaigns of two seeds at once store no two candidates that are the same crystal."""
    for trial in trials:
        seeds = {"first": 2 * trial, "second": 2 * trial + 1}
        assert server.run_together(tmp_path / f"{trial}", seeds) == [0, 0]
        assert stored_twice(tmp_path / f"{trial}") == []


@pytest.mark.slow
def test_campaigns_at_once_store_no_material_twice_on_postgresql(
    server: ForkServer, tmp_path: Path, postgres: str
) -> None:
    """Promise 2: three campaigns of three seeds at once on a server."""
    seeds = {"first": 0, "second": 1, "third": 2}
    assert server.run_together(tmp_path / "home", seeds, url=postgres) == [0, 0, 0]
    assert stored_twice(tmp_path / "home", postgres) == []


@pytest.mark.slow
@counted(2, 50, "overlaps")
def test_overlapping_campaigns(server: ForkServer, tmp_path: Path, trials: range) -> None:
    """Promise 2: two to four campaigns at once on one store, of one seed or of several."""
    for trial in trials:
        home, n = tmp_path / f"{trial}", 2 + trial % 3
        seeds = {f"campaign-{k}": (k if trial % 2 else 0) for k in range(n)}
        assert server.run_together(home, seeds) == [0] * n
        check_rows(home)
        store = open_store(Settings(home=home))
        verified = {v.candidate_id: v for v in store.verifications(LEVEL) if v.ok}
        acknowledged = {i for what, i in noted(home) if what == "acknowledged"}
        assert acknowledged == {v.candidate_id for v in store.verifications(LEVEL)}
        assert max(Counter(h.id for h in store.query(Query(include_unverified=True))).values()) == 1
        for name in seeds:
            verdicts = store.verdicts(name)
            mine = [v for v in store.verifications(LEVEL, name) if v.ok]
            low, high = above_hull(mine, sorted(verdicts)), above_hull(list(verified.values()), sorted(verdicts))
            for i, verdict in verdicts.items():
                at = verdict.e_above_hull_ev_per_atom
                assert low[i] - TOLERANCE_EV_PER_ATOM <= at <= high[i] + TOLERANCE_EV_PER_ATOM, (name, i)
