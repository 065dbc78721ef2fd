"""How the ensembles of a campaign are made: architecture and schedule from its settings, and from which crystals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gnome_lite.config import Expert, Predict
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import Progress
from gnome_lite.predict.build import Recipe, build, join, split
from gnome_lite.predict.checkpoint import Checkpoint
from gnome_lite.predict.fit import Schedule
from gnome_lite.predict.network import Architecture

GPU_WIDTH, CPU_WIDTH = 256, 64
"""Of networks trained from nothing where the campaign gives none; 256 is GNoME's."""


def build_base(
    known: TrainingSet, inputs: TrainingSet | None, recipe: Recipe, folder: Path, processes: int, progress: Progress
) -> Checkpoint:
    """Train from nothing; the hold-out is of unrelaxed crystals where there are any."""
    holdout = split(known if inputs is None else inputs)[1]
    data, unrelaxed = joined(known, inputs), inputs is not None
    return build(data, holdout, recipe, None, folder, processes, progress, "prepare", unrelaxed=unrelaxed)


def joined(known: TrainingSet, inputs: TrainingSet | None) -> TrainingSet:
    """Return known crystals and, behind them, unrelaxed inputs where there are any."""
    return known if inputs is None else join([known, inputs])


def some(data: TrainingSet, n: int, seed: int) -> TrainingSet:
    """Return n of them at random; all for n = 0 or where there are no more."""
    if not 0 < n < len(data):
        return data
    which = np.zeros(len(data), dtype=bool)
    which[np.random.default_rng((seed, n)).choice(len(data), n, replace=False)] = True
    return data.take(which)


def widths() -> tuple[int, int]:
    """Return the widths of networks made without a given one, this device's own first."""
    import torch

    return (GPU_WIDTH, CPU_WIDTH) if torch.cuda.is_available() else (CPU_WIDTH, GPU_WIDTH)


def architecture(config: Predict, expert: Expert, width: int) -> Architecture:
    """Return the configured architecture, of this width where none is configured."""
    return Architecture(config.width or width, expert.steps, expert.cutoff_ang)


def base_recipe(config: Predict, expert: Expert, level: str, seed: int, width: int) -> Recipe:
    """Return the recipe of a base ensemble."""
    schedule = Schedule(
        config.epochs,
        config.learning_rate,
        config.batch_size,
        volume_jitter=expert.volume_jitter,
        patience=config.patience,
    )
    return Recipe(level, architecture(config, expert, width), schedule, config.members, seed)
