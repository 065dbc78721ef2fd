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
        hits = sorted(store.query(Query(include_unverified=True)), key=lambda h: h.id)
        assert max(Counter(h.id for h in hits).values()) == 1
        crystals = CrystalBatch.from_crystals(h.input_crystal for h in hits)
        same = make_novelty().index().admit([h.id for h in hits], crystals)
        assert [i for i in same if i is not None] == [], "a material is stored twice"
        for name in seeds:
            verdicts = store.verdicts(name)
            mine = [v for v in store.verifications(LEVEL, name) if v.ok]
            low, high = above_hull(mine, sorted(verdicts)), above_hull(list(verified.values()), sorted(verdicts))
            for i, verdict in verdicts.items():
                at = verdict.e_above_hull_ev_per_atom
                assert low[i] - TOLERANCE_EV_PER_ATOM <= at <= high[i] + TOLERANCE_EV_PER_ATOM, (name, i)
