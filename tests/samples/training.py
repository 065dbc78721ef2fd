"""Crystals with a made-up but learnable energy; as a program, `python -m samples.training MODELS_DIR EPOCHS`, one
network trained on them: it prints each epoch and, in the end, the model's id."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gnome_lite.config import Expert, Predict
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.phases import Phase, PhaseSet

LEVEL = "made-up-1.0"
METALS, ANIONS = (3, 11, 19, 12, 20, 38, 13, 31, 30, 29), (7, 8, 9, 15, 16, 17, 34, 35)


def e_form_ev_per_atom(crystal: Crystal) -> float:
    """A made-up formation energy of compounds: each element adds its own."""
    return float(np.mean(np.sin(crystal.numbers))) - 1.0


def made_up_references() -> PhaseSet:
    rng = np.random.default_rng(0)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0.5]])
    crystals = [Crystal.make([z], [[0, 0, 0]], np.eye(3) * 2.9) for z in METALS + ANIONS]
    labels = [0.0] * len(crystals)
    for metal in METALS:
        for anion in ANIONS:
            for numbers in ([metal, anion], [metal, anion, anion]):
                cell = np.eye(3) * rng.uniform(3.2, 3.8)
                crystals.append(Crystal.make(numbers, sites[: len(numbers)], cell))
                labels.append(e_form_ev_per_atom(crystals[-1]))
    return PhaseSet.make(
        [
            Phase(f"ref-{i:03d}", c, e * len(c), LEVEL, "made up", "CC0")
            for i, (c, e) in enumerate(zip(crystals, labels, strict=True))
        ]
    )


def main(models_dir: str, epochs: str) -> None:
    from gnome_lite.predict.predictor import EnsemblePredictor

    config = Predict(members=1, width=8, epochs=int(epochs), batch_size=16, volume_scan=3, processes=1)
    predictor = EnsemblePredictor(config, Path(models_dir), None, LEVEL, expert=Expert(steps=2))
    model = predictor.base(made_up_references(), lambda stage, done, total, note: print("epoch", done, flush=True))
    print("model", model.id)


if __name__ == "__main__":
    main(*sys.argv[1:])
