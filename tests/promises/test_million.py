"""Promise 13: a store of a million materials is read as fast as a small one, also beside a writer."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from soak import counted

store_reading = pytest.importorskip("benchmarks.store_reading")

SHOWN = 500


@pytest.mark.slow
@counted(300, 1_000_000, "materials")
def test_one_material_is_looked_up_in_time(tmp_path: Path, trials: range) -> None:
    """Promise 13: look-ups alone (p95 < 5 ms) and beside a writer (p95 < 50 ms); few say only that it can be done."""
    store_reading.fill(tmp_path / "store.sqlite", len(trials), min(len(trials), store_reading.SPARE))
    alone, beside = islice(store_reading.read(tmp_path / "store.sqlite", min(len(trials), SHOWN)), 2)
    if len(trials) > SHOWN:
        assert alone.ok, alone
        assert beside.ok, beside
