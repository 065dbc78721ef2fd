"""What each option of the structural network brings: the default with one thing changed, on DFT labels.

Short trainings on part of the data: the order of options, not the error of the shipped ensemble. Error on crystals of
MP-20's validation part whose formulas were not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.rows import Row, data_dir
from benchmarks.sizes import Effort, size
from gnome_lite.predict.fit import Schedule, evaluate, fit
from gnome_lite.predict.graph import build_graphs
from gnome_lite.predict.network import Architecture, Normalisation, StructuralNetwork
from gnome_lite.predict.train import in_training
from gnome_lite.sources.labelled import read_labelled

AVERAGED = "mean of the weights of the last three epochs"
MIXED = "products in bfloat16, as on a GPU"
DEFAULT = Architecture()
SCHEDULE = Schedule(1, 3e-3, 32)


@dataclass(frozen=True, slots=True)
class Linear(Schedule):
    """GNoME's linear decay of the learning rate."""

    def rate(self, done: float) -> float:
        return self.learning_rate * (1.0 - done)


VARIANTS = {
    "as shipped": (DEFAULT, SCHEDULE),
    "another seed": (DEFAULT, SCHEDULE),
    "without element descriptors": (replace(DEFAULT, descriptors=False), SCHEDULE),
    "without layer normalisation": (replace(DEFAULT, layer_norm=False), SCHEDULE),
    "without directions": (replace(DEFAULT, angular=0), SCHEDULE),
    "without residual connections": (replace(DEFAULT, residual=False), SCHEDULE),
    "cutoff 5 Å": (replace(DEFAULT, cutoff_ang=5.0), SCHEDULE),
    "4 steps": (replace(DEFAULT, steps=4), SCHEDULE),
    "width 96": (replace(DEFAULT, width=96), SCHEDULE),
    "linear decay of the learning rate": (DEFAULT, Linear(1, 3e-3, 32)),
    "the same, at a third of the rate": (DEFAULT, Linear(1, 1e-3, 32)),
    AVERAGED: (DEFAULT, SCHEDULE),
    MIXED: (DEFAULT, SCHEDULE),
    "batches of 64": (DEFAULT, replace(SCHEDULE, batch_size=64, learning_rate=4e-3)),
    "half the crystals at wrong volumes": (DEFAULT, replace(SCHEDULE, volume_jitter=0.2)),
}
"""Network and schedule; how many epochs all have is said by `sizes`."""


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    """Return nothing unless the run is a long one: ten minutes."""
    n_crystals, epochs = size("prediction_ablation.crystals", effort), size("prediction_ablation.epochs", effort)
    if not n_crystals:
        return []
    torch.set_num_threads(1)
    data = read_labelled(data_dir() / "mp20_val.csv.gz")
    chosen = np.zeros(len(data), dtype=bool)
    chosen[np.linspace(0, len(data) - 1, n_crystals).astype(int)] = True
    data = data.take(chosen)
    training = in_training(data.crystals.reduced_formulas())
    errors: dict[str, float] = {}
    for name, (architecture, per_epoch) in VARIANTS.items():
        schedule = replace(per_epoch, epochs=epochs)
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
        seen: list[dict[str, torch.Tensor]] = []

        def remember(
            *_: float, network: StructuralNetwork = network, seen: list[dict[str, torch.Tensor]] = seen
        ) -> None:
            seen.append({name: value.clone() for name, value in network.state_dict().items()})

        fit(
            network,
            graphs.take(known),
            targets[known],
            nothing,
            architecture.cutoff_ang,
            schedule,
            (0,),
            remember,
            mixed=name == MIXED,
        )
        if name == AVERAGED:
            network.load_state_dict({k: sum(state[k] for state in seen[-3:]) / 3 for k in seen[-1]})
        errors[name] = float(np.abs(evaluate(network, held) - targets[~known]).mean())
    first = errors["as shipped"]
    n_known, n_held = int(training.sum()), int((~training).sum())
    title = f"one network, {epochs} epochs on {n_known} crystals, MAE on {n_held} of unseen formulas"
    return [
        Row(f"{title}: {name}", "eV/atom", error, first, "as shipped", first - error) for name, error in errors.items()
    ]
