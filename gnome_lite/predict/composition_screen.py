"""Formulas worth a random structure search: those whose best structure, as far as is known, may reach the hull."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.records import ModelRecord, TrainingSet
from gnome_lite.pipeline import Progress
from gnome_lite.predict import checkpoint
from gnome_lite.predict.build import Recipe, build, split
from gnome_lite.predict.composition import CompositionArchitecture
from gnome_lite.predict.composition_ensemble import CompositionEnsemble
from gnome_lite.predict.fit import Schedule
from gnome_lite.predict.train import training_folder

MEMBERS, LEARNING_RATE, BATCH_SIZE = 4, 5e-3, 32
FEWEST_EPOCHS, MOST_EPOCHS, FORMULAS_SEEN = 20, 80, 80_000
"""A thousand formulas are seen eighty times, ten thousand twenty times."""

HullEnergies = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Atom counts [n, MAX_Z + 1] -> formation energy of the hull there, eV/atom, [n]; NaN where there is no hull."""


class CompositionScreen:
    """Lets formulas pass that the composition networks put at most `limit` above the hull.

    What they cannot judge (an element they do not know, a system without references) passes: a screen that is not
    there stops nothing.

    Args:
        model: directory of an ensemble of composition networks.
        hull: energies of the hull at formulas.
        limit_ev_per_atom: above the hull; GNoME took 0.05.

    Raises:
        CheckpointError: if the ensemble is damaged or reads structures.
    """

    def __init__(self, model: Path, hull: HullEnergies, limit_ev_per_atom: float) -> None:
        self._ensemble = CompositionEnsemble(checkpoint.read(model))
        self._hull = hull
        self._limit_ev_per_atom = limit_ev_per_atom

    def __call__(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which formulas pass, [n]."""
        e_form, _ = self._ensemble.predict(counts)
        return ~(e_form - self._hull(counts) > self._limit_ev_per_atom)


def train_compositions(
    known: TrainingSet,
    level: str,
    out_dir: Path,
    seed: int,
    processes: int,
    progress: Progress,
    without: tuple[str, ...] = (),
) -> ModelRecord:
    """Train an ensemble on the lowest energies of the formulas of labelled crystals and write it to `out_dir`.

    `without` is what its card says of them: see `ModelCard`.

    Raises:
        SourceError: if no crystal can be trained on.
        CheckpointError: if `out_dir` cannot be written.
    """
    training, held = split(known)
    formulas = len(set(training.crystals.reduced_formulas()))
    epochs = int(np.clip(FORMULAS_SEEN // max(formulas, 1), FEWEST_EPOCHS, MOST_EPOCHS))
    architecture, schedule = CompositionArchitecture("composition"), Schedule(epochs, LEARNING_RATE, BATCH_SIZE)
    recipe = Recipe(level, architecture, schedule, MEMBERS, seed)
    out_dir = Path(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with training_folder(out_dir.parent, recipe.hash(known, "")) as folder:
        made = build(known, held, recipe, None, folder, processes, progress, "train")
    card = made.card.model_copy(update={"without": without})
    checkpoint.write(replace(made, holdout=None, card=card), out_dir)  # a campaign never trains these on
    return made.card.record(out_dir)
