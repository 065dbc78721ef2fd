"""Verification: relaxations beside the stock optimiser, sabotage, gates, and the Δ-model where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from benchmarks.rows import Row

PARTS = (
    "verification_relaxation",
    "verification_batches",
    "verification_sabotage",
    "verification_gates",
    "verification_dft",
    "verification_delta",
)


def measure(long: bool = False) -> Iterator[Row]:
    for part in PARTS:
        if find_spec(f"benchmarks.{part}") is not None:
            yield from import_module(f"benchmarks.{part}").measure(long=long)
