"""Sifting a stream: gated, compared, counted, and no more taken than wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from samples.small_campaign import CRYSTALS, pool, rocksalt

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.records import CandidatePool
from gnome_lite.generate.sift import Tally, sift


class NoFluorine:
    """A gate."""

    def causes(self, crystals: CrystalBatch) -> list[str]:
        return ["fluorine" if (c.numbers == 9).any() else "" for c in crystals]


class Formulas:
    """Remembers formulas: the second of one is the same as the first."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, found: CandidatePool) -> Sequence[str | None]:
        out: list[str | None] = []
        for formula in found.crystals.reduced_formulas():
            out.append(formula if formula in self.seen else None)
            self.seen.add(formula)
        return out


def chunks() -> list[CandidatePool]:
    """LiF, NaCl | KCl, NaCl in another cell | SrTiO3, HfC."""
    again = rocksalt(11, 17, 5.8)
    pairs = ((CRYSTALS[0], CRYSTALS[1]), (CRYSTALS[2], again), (CRYSTALS[4], CRYSTALS[5]))
    return [pool(pair) for pair in pairs]


def test_what_is_refused_and_what_is_known_is_counted() -> None:
    tally = Tally()
    parts = list(sift(chunks(), NoFluorine(), Formulas(), tally))
    assert [part.kept.crystals.reduced_formulas() for part in parts] == [["NaCl"], ["KCl"], ["SrTiO3", "HfC"]]
    assert parts[1].same_as == [None, "NaCl"]
    assert (tally.made, dict(tally.refused), tally.duplicates, tally.kept) == (6, {"fluorine": 1}, 1, 4)


def test_no_more_than_wanted_and_the_rest_of_the_stream_is_not_made() -> None:
    made: list[int] = []

    def stream():
        for i, chunk in enumerate(chunks()):
            made.append(i)
            yield chunk

    tally = Tally()
    kept = [part.kept for part in sift(stream(), NoFluorine(), Formulas(), tally, 2)]
    assert CandidatePool.concatenate(kept, 1).crystals.reduced_formulas() == ["NaCl", "KCl"]
    assert made == [0, 1]
    assert tally.kept == 2


def test_counts_go_on_from_where_they_were() -> None:
    tally = Tally(made=100, kept=1)
    parts = list(sift(chunks(), NoFluorine(), Formulas(), tally, 2))
    assert sum(len(part.kept) for part in parts) == 1
    assert tally.made == 102
    assert np.array_equal(parts[0].kept.crystals[0].numbers, CRYSTALS[1].numbers)
