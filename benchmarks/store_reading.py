"""A store of 200,000 verified crystals, read: one crystal, also beside a writer, and the first page of every order.

What people wait for: `show ID` and a query with a limit, with the filters that are asked for most. The writer is
another process that stores verifications one by one, as a campaign does, without a pause between them.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.rows import Row, median_seconds
from benchmarks.sizes import Effort, size
from benchmarks.stability_entries import compounds
from benchmarks.stability_store import CAMPAIGN, LEVEL, made_crystal, outcome_of, pool_of, pure_elements, unseen

if TYPE_CHECKING:
    from gnome_lite.core.records import CandidatePool

SHOW_P95_MS, SHOW_BESIDE_WRITER_P95_MS, PAGE_MS = 5.0, 50.0, 100.0
PAGE = 50
AT_ONCE = 2000
"""Crystals of a round: more than any campaign verifies in one."""
SPARE = 20_000
"""Candidates that are not verified yet: the writer's."""
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "elements": {"elements": "Li,O"},
    "only": {"only": "Li,Fe,P,O,S"},
    "chemical system": {"chemical_system": "Fe-Li-O"},
    "near the hull": {"e_above_hull_max": 0.05},
    "stable and novel": {"stable": True, "novel": True},
    "size": {"n_sites": "1-6"},
    "space group": {"space_group": 225},
    "campaign": {"campaign": CAMPAIGN},
    "campaign and round": {"campaign": CAMPAIGN, "round": 1},
    "unverified": {"include_unverified": True},
}


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    n = size("store_reading.stored", effort)
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        fill(Path(directory) / "store.sqlite", n, size("store_reading.spare", effort))
        yield Row(f"a store filled with {n:,} judged crystals", "s", time.perf_counter() - started, None, "", None)
        shown, repeats = size("store_reading.shown", effort), size("store_reading.repeats", effort)
        yield from read(Path(directory) / "store.sqlite", shown, repeats)


def read(path: Path, n_shown: int, repeats: int = 5) -> Iterator[Row]:
    """Read a store that `fill` made."""
    from gnome_lite.store.database import SqlStore
    from gnome_lite.store.query import SORTS

    store = SqlStore.open(path, create=False)
    everyone = store.verified_ids(LEVEL)
    ids = [everyone[i] for i in np.random.default_rng(0).integers(len(everyone), size=n_shown)]
    alone = _p95_ms(store.show, ids)
    yield _row("show of one crystal, 95th percentile", alone, SHOW_P95_MS)
    with _writer(path):
        beside = _p95_ms(store.show, ids)
    yield _row("the same while another process stores verifications one by one", beside, SHOW_BESIDE_WRITER_P95_MS)
    slowest: dict[str, tuple[float, str]] = {}
    for sort, (name, filters) in product(SORTS, FILTERS.items()):
        seconds = median_seconds(partial(store.query, sort=sort, limit=PAGE, **filters), repeats)
        slowest[sort] = max(slowest.get(sort, (0.0, "")), (1000 * seconds, name))
    for sort, (milliseconds, name) in slowest.items():
        yield _row(
            f"the first {PAGE} hits sorted by {sort}, slowest of {len(FILTERS)} filters ({name})", milliseconds, PAGE_MS
        )


def fill(path: Path, n: int, n_spare: int) -> None:
    """Write a campaign of n crystals proposed, predicted, verified and judged in rounds, and some that only wait."""
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.records import Prediction, Verdict
    from gnome_lite.store.database import SqlStore

    counts, e_form = compounds(n + n_spare, seed=3)
    rng = np.random.default_rng(3)
    store = SqlStore.open(path)
    store.begin(CampaignConfig(name=CAMPAIGN), pure_elements())
    for round, first in enumerate(range(0, n + n_spare, AT_ONCE), 1):
        rows = range(first, min(first + AT_ONCE, n + n_spare))
        crystals = [made_crystal(counts[i], i) for i in rows]
        pool: CandidatePool = pool_of(crystals, round)
        ids = pool.crystals.content_ids
        store.add_candidates(CAMPAIGN, pool, pool.crystals.reduced_formulas(), {})
        above = rng.exponential(0.1, len(ids)).round(3) * (rng.random(len(ids)) > 0.02)
        guesses = zip(ids, e_form[rows], above, rng.random(len(ids)), strict=True)
        store.add_predictions(
            CAMPAIGN, round, [Prediction(i, e, 0.02, float(a), float(p), "model") for i, e, a, p in guesses], {}
        )
        verified = [k for k, row in enumerate(rows) if row < n]
        if verified:
            store.add_selection(CAMPAIGN, round, [ids[k] for k in verified], [], {})
            store.add_verifications(
                CAMPAIGN, round, [outcome_of(crystals[k], float(e_form[rows[k]] * len(crystals[k]))) for k in verified]
            )
            judged = [
                Verdict(ids[k], float(e_form[rows[k]]), float(above[k]), float(above[k]), (), "hull", LEVEL, *unseen())
                for k in verified
            ]
            store.add_verdicts(CAMPAIGN, round, judged, {"hull": "hull"})


@contextmanager
def _writer(path: Path) -> Iterator[None]:
    """Another process stores verifications of candidates that have none, until left."""
    context = multiprocessing.get_context("spawn")
    ready, over = context.Event(), context.Event()
    process = context.Process(target=write, args=(path, ready, over), daemon=True)
    process.start()
    ready.wait(60)
    try:
        yield
    finally:
        over.set()
        process.join(60)


def write(path: Path, ready: Any, over: Any) -> None:
    """Store verifications one by one, as a campaign does as they end."""
    from gnome_lite.store.database import SqlStore

    store = SqlStore.open(path, create=False)
    rounds = store.status().campaigns[0].rounds
    waiting = store.unverified(CAMPAIGN, rounds[-1].round, LEVEL, 0)
    ready.set()
    for candidate in waiting:
        if over.is_set():
            return
        store.add_verification(CAMPAIGN, rounds[-1].round, outcome_of(candidate.crystal, -1.0))
    over.wait()


def _p95_ms(look_up: Callable[[str], object], ids: Sequence[str]) -> float:
    milliseconds = []
    look_up(ids[0])
    for one in ids:
        started = time.perf_counter()
        look_up(one)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return float(np.percentile(milliseconds, 95))


def _row(name: str, milliseconds: float, at_most: float) -> Row:
    return Row(name, "ms", milliseconds, None, "", None, f"<= {at_most:g}", milliseconds <= at_most)
