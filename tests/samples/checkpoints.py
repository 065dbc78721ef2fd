"""A tiny checkpoint, sound, and a manifest that fits whatever lies there."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.records import TrainingSet
from gnome_lite.predict.checkpoint import MANIFEST, Checkpoint, ModelCard, model_id
from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork

ARCHITECTURE, NORMALISATION = Architecture(width=8, steps=1), Normalisation(1.0, 0.0, 10.0)


def made(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    weights = tuple(
        {k: v.numpy().copy() for k, v in StructuralNetwork(ARCHITECTURE, NORMALISATION).state_dict().items()}
        for _ in range(2)
    )
    card = ModelCard(
        id=model_id(ARCHITECTURE, NORMALISATION, weights), level="test", members=2, architecture=ARCHITECTURE,
        normalisation=NORMALISATION, seed=seed, epochs=1, learning_rate=0.1, batch_size=4, n_train=3, n_holdout=1,
        train_mae_ev_per_atom=0.1, holdout_mae_ev_per_atom=0.2, recipe="r", data_hash="d",
    )  # fmt: skip
    crystals = CrystalBatch.from_crystals([Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.6))])
    return Checkpoint(card, weights, TrainingSet(crystals, np.array([-2.0])))


def sign(path: Path) -> None:
    """A manifest that fits whatever lies there, as someone who means harm would write."""
    names = sorted(p.name for p in path.iterdir() if p.name != MANIFEST)
    lines = [f"{sha256((path / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (path / MANIFEST).write_text("".join(lines))
