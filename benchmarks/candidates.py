"""Candidates: each generator beside its peer, duplicates, the stream, and known crystals found again."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import Row


def measure(long: bool = False) -> Iterator[Row]:
    from benchmarks import (
        candidates_duplicates,
        candidates_random,
        candidates_recovery,
        candidates_stream,
        candidates_substitution,
    )

    yield from candidates_substitution.measure()
    yield from candidates_random.measure()
    yield from candidates_duplicates.measure()
    yield from candidates_stream.measure(long)
    yield from candidates_recovery.measure(long)
