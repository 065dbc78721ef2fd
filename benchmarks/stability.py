"""Stability: hulls beside pymatgen's, a growing store, verdicts under uncertainty."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rows import Row


def measure(long: bool = False) -> Iterator[Row]:
    from benchmarks import stability_hull, stability_store, stability_uncertainty

    yield from stability_hull.measure(long)
    yield from stability_store.measure(long)
    yield from stability_uncertainty.measure(long)
