"""What each option of the structural network brings: the default with one thing changed, on DFT labels.

Short trainings on part of the data: the order of options, not the error of the shipped ensemble. Error on crystals of
MP-20's validation part whose formulas were not trained on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.rows import Row, data_dir
from gnome_lite.predict.build import part
from gnome_lite.predict.fit import Schedule, evaluate, fit
from gnome_lite.predict.graph import build_graphs
from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork
from gnome_lite.predict.train import in_training
from gnome_lite.sources.labelled import read_labelled

N_CRYSTALS, EPOCHS = 3000, 12
DEFAULT = Architecture()
SCHEDULE = Schedule(EPOCHS, 3e-3, 32)
VARIANTS = {
    "as shipped": (DEFAULT, SCHEDULE),
    "another seed": (DEFAULT, SCHEDULE),
    "without element descriptors": (replace(DEFAULT, descriptors=False), SCHEDULE),
    "without layer normalisation": (replace(DEFAULT, layer_norm=False), SCHEDULE),
    "without directions": (replace(DEFAULT, angular=0), SCHEDULE),
    "read out from the global state": (replace(DEFAULT, readout="state"), SCHEDULE),
    "without residual connections": (replace(DEFAULT, residual=False), SCHEDULE),
    "with the volume as a feature": (replace(DEFAULT, volume_feature=True), SCHEDULE),
    "cutoff 5 Å": (replace(DEFAULT, cutoff_ang=5.0), SCHEDULE),
    "4 steps": (replace(DEFAULT, steps=4), SCHEDULE),
    "width 96": (replace(DEFAULT, width=96), SCHEDULE),
    "batches of 64": (DEFAULT, replace(SCHEDULE, batch_size=64, learning_rate=4e-3)),
    "half the crystals at wrong volumes": (DEFAULT, replace(SCHEDULE, volume_jitter=0.2)),
}


def measure(long: bool = False) -> list[Row]:
    """Nothing unless `long`: a quarter of an hour."""
    if not long:
        return []
    torch.set_num_threads(1)
    data = read_labelled(data_dir() / "mp20_val.csv.gz")
    chosen = np.zeros(len(data), dtype=bool)
    chosen[np.linspace(0, len(data) - 1, N_CRYSTALS).astype(int)] = True
    data = part(data, chosen)
    training = in_training(data.crystals.reduced_formulas())
    errors: dict[str, float] = {}
    for name, (architecture, schedule) in VARIANTS.items():
        graphs, ok = build_graphs(data.crystals, architecture.cutoff_ang * schedule.reach)
        targets = data.e_form_ev_per_atom[ok].astype(np.float32)
        known = training[ok]
        torch.manual_seed(int(name == "another seed"))
        scale = Normalisation(
            float(targets[known].std()),
            float(targets[known].mean()),
            graphs.scaled(1.0, architecture.cutoff_ang).average_adjacency,
        )
        network = StructuralNetwork(architecture, scale)
        held = graphs.take(~known).scaled(1.0, architecture.cutoff_ang)
        nothing = graphs.take([]), targets[:0]
        fit(
            network,
            graphs.take(known),
            targets[known],
            nothing,
            architecture.cutoff_ang,
            schedule,
            (0,),
            lambda *_: None,
        )
        errors[name] = float(np.abs(evaluate(network, held) - targets[~known]).mean())
    first = errors["as shipped"]
    n_known, n_held = int(training.sum()), int((~training).sum())
    title = f"one network, {EPOCHS} epochs on {n_known} crystals, MAE on {n_held} of unseen formulas"
    return [
        Row(f"{title}: {name}", "eV/atom", error, first, "as shipped", first - error) for name, error in errors.items()
    ]
