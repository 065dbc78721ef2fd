"""The training loop of one network: L1 loss, AdamW, one cycle of the learning rate; resumable after each epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnome_lite.predict.graph import GraphSet
from gnome_lite.predict.kinds import AnyNetwork, Inputs, device_of, energies

START_OF_PEAK, END_OF_PEAK = 1 / 25, 1e-5
"""Learning rate at the start and the end of the cycle, of its peak."""
EVALUATED_AT_ONCE = 64
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        learning_rate: the highest of the cycle.
        warm_up: share of the steps over which the rate rises to it.
        volume_jitter: cell volumes of some training crystals are multiplied by a random factor in 1 +- this, the target
            kept, so that a crystal at a wrong volume is still sent to its relaxed energy; 0 trains on crystals as
            they are.
        jitter_share: of the crystals of each epoch.
        patience: stop when the hold-out has not improved for so many epochs, and keep the best; 0 = never.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    warm_up: float = 0.3
    weight_decay: float = 2e-2
    volume_jitter: float = 0.0
    jitter_share: float = 0.5
    patience: int = 0

    @property
    def reach(self) -> float:
        """Cutoff, in units of the network's, up to which training graphs must hold their edges."""
        return float(1.0 / np.cbrt(1.0 - self.volume_jitter))

    def rate(self, done: float) -> float:
        """Learning rate when a share 0..1 of all steps is done: half a cosine up, half a cosine down."""
        if done < self.warm_up:
            low, share = START_OF_PEAK, 1.0 - done / self.warm_up
        else:
            low, share = END_OF_PEAK, (done - self.warm_up) / (1.0 - self.warm_up)
        return self.learning_rate * (low + (1.0 - low) * (1.0 + math.cos(math.pi * share)) / 2.0)


History = list[tuple[float, float]]
"""Of each epoch: mean loss of training, mean absolute error on the hold-out (NaN without one), eV/atom."""


def fit(
    network: AnyNetwork,
    inputs: Inputs,
    e_form_ev_per_atom: NDArray[np.float32],
    holdout: tuple[Inputs, NDArray[np.float32]],
    cutoff_ang: float,
    schedule: Schedule,
    seed: tuple[int, ...],
    on_epoch: Callable[[int, float], None],
    state: Path | None = None,
    mixed: bool | None = None,
) -> History:
    """Train a network in place, on its device.

    The same arguments give the same weights on the same machine, stopped or not.

    Args:
        inputs: training graphs with edges up to `cutoff_ang * schedule.reach`, or formulas.
        e_form_ev_per_atom: targets, [n].
        holdout: inputs and targets that nothing is learnt from.
        cutoff_ang: of graphs; formulas have none.
        on_epoch: told epochs done and the epoch's mean loss, eV/atom.
        state: file in which each epoch's end is kept; training goes on from it where it exists.
        mixed: multiply in bfloat16; None = on a CUDA GPU, where that is several times faster than float32. Weights,
            gradients and sums stay float32, and what is predicted is always worked out in float32. It costs no
            accuracy (`benchmarks/prediction_ablation.py`).

    Raises:
        FloatingPointError: if the loss stops being finite.
    """
    n_batches = max(1, len(inputs) // schedule.batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    targets = torch.from_numpy(np.asarray(e_form_ev_per_atom, dtype=np.float32)).to(device_of(network))
    kind = targets.device.type
    run = _Run(network, optimiser)
    if state is not None and state.exists():
        run.load(state)
        on_epoch(len(run.history), run.history[-1][0])
    while len(run.history) < schedule.epochs and not run.stalled(schedule.patience):
        epoch = len(run.history)
        rng = np.random.default_rng((*seed, epoch))
        losses = []
        network.train()
        for k, index in enumerate(np.array_split(rng.permutation(len(inputs)), n_batches)):
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate((epoch + k / n_batches) / schedule.epochs)
            some = _jittered(inputs.take(index), cutoff_ang, schedule, rng)
            with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda" if mixed is None else mixed):
                predicted = energies(network, some)
            loss = (predicted.float() - targets[index]).abs().mean()
            optimiser.zero_grad()
            # In units of the targets' scale, so that a learning rate means the same for every data set.
            (loss / network.normalisation.scale_ev_per_atom).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
        if not math.isfinite(sum(losses)):
            raise FloatingPointError("training diverged: lower predict.learning_rate")
        network.eval()
        held = evaluate(network, holdout[0])
        error = float(np.abs(held - holdout[1]).mean()) if len(held) else math.nan
        run.record(float(np.mean(losses)), error)
        if state is not None:
            run.save(state)
        on_epoch(epoch + 1, run.history[-1][0])
    network.eval()
    if schedule.patience:
        run.restore_best()
    return run.history


def evaluate(network: AnyNetwork, inputs: Inputs) -> NDArray[np.float64]:
    """Energies of inputs as they are, eV/atom, [n]."""
    parts = np.array_split(np.arange(len(inputs)), max(1, len(inputs) // EVALUATED_AT_ONCE))
    with torch.inference_mode():
        some = [energies(network, inputs.take(index)).cpu().numpy() for index in parts if len(index)]
    return np.concatenate([np.empty(0), *some])


def _jittered(inputs: Inputs, cutoff_ang: float, schedule: Schedule, rng: np.random.Generator) -> Inputs:
    if not schedule.volume_jitter or not isinstance(inputs, GraphSet):  # a formula has no volume
        return inputs
    factors = 1.0 + schedule.volume_jitter * rng.uniform(-1.0, 1.0, len(inputs))
    factors[rng.random(len(inputs)) >= schedule.jitter_share] = 1.0
    return inputs.scaled(factors, cutoff_ang)


class _Run:
    """What changes during training: weights, the optimiser's moments, the history, the best weights so far."""

    def __init__(self, network: AnyNetwork, optimiser: torch.optim.Optimizer) -> None:
        self.network, self.optimiser = network, optimiser
        self.history: History = []
        self.best: dict[str, Tensor] = {}

    def record(self, loss: float, error: float) -> None:
        if not any(error >= earlier for _, earlier in self.history):
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.history.append((loss, error))

    def stalled(self, patience: int) -> bool:
        errors = [error for _, error in self.history]
        return bool(patience and errors) and len(errors) - 1 - int(np.nanargmin(errors)) >= patience

    def restore_best(self) -> None:
        self.network.load_state_dict(self.best)

    def save(self, path: Path) -> None:
        from safetensors.torch import save_file

        tensors = {f"weights.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for i, parameter in enumerate(self.network.parameters()):
            # Without a gradient, as the last state of a network that reads its atoms, there are none.
            moments = self.optimiser.state.get(parameter, {})
            tensors |= {f"{name}.{i}": moments[name] for name in MOMENTS if moments}
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        partial = path.with_name(path.name + ".part")
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        from safetensors.torch import load_file

        tensors = load_file(path)
        for part, put in (("weights.", self.network.load_state_dict), ("best.", self.best.update)):
            put({name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)})
        for i, parameter in enumerate(self.network.parameters()):
            if f"step.{i}" in tensors:
                self.optimiser.state[parameter] = {
                    name: tensors[f"{name}.{i}"].to(parameter.device if name != "step" else "cpu", copy=True)
                    for name in MOMENTS
                }
        self.history = [(loss, error) for loss, error in tensors["history"].tolist()]
