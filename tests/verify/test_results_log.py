"""Results logs shared by several who want the same relaxations at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from samples.small_campaign import CRYSTALS, LEVEL, verification

from gnome_lite.core.records import Candidate, Verification
from gnome_lite.pipeline import silent
from gnome_lite.verify.results_log import relax_all

CANDIDATES = [Candidate(c.content_id, c, "", "", "", 1) for c in CRYSTALS]


class Counting:
    """A verifier that takes its time and counts what it is asked for."""

    level = LEVEL

    def __init__(self) -> None:
        self.relaxed: list[str] = []

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        for candidate in candidates:
            time.sleep(0.02)
            self.relaxed.append(candidate.id)
            yield verification(candidate.crystal)


def test_what_two_want_at_the_same_time_is_relaxed_once(tmp_path: Path) -> None:
    verifier, log = Counting(), tmp_path / "levels" / "log.jsonl"
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(lambda part: relax_all(part, verifier, log, silent), (CANDIDATES, CANDIDATES[::-1]))
    assert sorted(verifier.relaxed) == sorted(c.id for c in CANDIDATES)
    assert {i: v.energy_ev for i, v in one.items()} == {i: v.energy_ev for i, v in other.items()}


def test_the_log_is_free_when_nobody_asks_on(tmp_path: Path) -> None:
    verifier, log = Counting(), tmp_path / "log.jsonl"
    assert len(relax_all(CANDIDATES[:2], verifier, log, silent)) == 2
    assert len(relax_all(CANDIDATES, verifier, log, silent)) == len(CANDIDATES)
    assert len(verifier.relaxed) == len(CANDIDATES)
