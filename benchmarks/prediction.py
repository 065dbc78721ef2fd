"""All figures of prediction; see the modules by name for what each measures."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import (
    prediction_ablation,
    prediction_composition,
    prediction_dft,
    prediction_seed,
    prediction_speed,
)
from benchmarks.rows import Row


def measure(long: bool = False) -> Iterator[Row]:
    for part in (prediction_seed, prediction_dft, prediction_composition, prediction_speed, prediction_ablation):
        yield from part.measure(long)
