"""Fine-tuning of CHGNet on labelled crystals by its own trainer; errors on formulas that it never saw.

Labels of another code or functional differ first of all by an energy per atom of each element. Those shifts are fitted
first (ridge regression of the residuals on the composition, into CHGNet's own composition model), then the last
layers are trained; the choice of layers follows CHGNet's own fine-tuning example.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from ase.units import GPa
from chgnet.data.dataset import StructureData, collate_graphs
from chgnet.model.model import CHGNet
from chgnet.trainer import Trainer
from torch.utils.data import DataLoader

from gnome_lite.core.errors import SourceError
from gnome_lite.verify.chgnet.calculator import load_model
from gnome_lite.verify.chgnet.weights import save_tuned
from gnome_lite.verify.trajectories import Frame

TRAIN_BELOW, HOLDOUT_FROM = 75, 85
"""Limits of md5(formula) modulo 100 for training and hold-out; formulas between them choose the best epoch."""
KEPT = (
    "atom_embedding",
    "bond_embedding",
    "angle_embedding",
    "bond_basis_expansion",
    "angle_basis_expansion",
    "bond_conv_layers",
    "angle_layers",
)
"""Layers that are not trained; nor are the atom convolutions but the last."""
RIDGE = 1e-3
VASP_STRESS = -10.0
"""CHGNet's data set takes stresses as VASP writes them: kbar, compression positive."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute errors; NaN where there are no labels."""

    energy_ev_per_atom: float
    force_ev_per_ang: float
    stress_ev_per_ang3: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fine-tuned CHGNet and its errors on held-out formulas.

    Attributes:
        level: level of theory of a calculator with this file.
        labels: level of theory it was trained on, "" where the frames do not tell.
        before, shifted, after: errors of the base, of the base with the elements' energies refitted, of the result.
    """

    path: str
    level: str
    base: str
    labels: str
    n_train: int
    n_validation: int
    n_holdout: int
    before: Errors
    shifted: Errors
    after: Errors


def finetune(
    frames: Sequence[Frame],
    out: Path,
    base: str = "0.3.0",
    epochs: int = 20,
    learning_rate: float = 1e-3,
    batch_size: int = 8,
    seed: int = 0,
) -> Tuned:
    """Fine-tune on frames of one level; energies always, forces and stresses where there are any.

    Args:
        frames: labelled crystals.
        out: safetensors file to write.
        base: shipped version to start from, or a file of an earlier fine-tuning.
        epochs: passes over the training set.
        learning_rate: first learning rate of Adam.
        batch_size: crystals a step.
        seed: random seed.

    Raises:
        SourceError: if levels are mixed, or no formula can be held out or trained on.
        CalculatorError: if the base cannot be loaded.
    """
    levels = sorted({frame.level for frame in frames})
    if len(levels) > 1:
        raise SourceError(f"labels of levels {', '.join(levels)} in one training: name files of one level")
    train, validation, holdout = split(frames)
    random.seed(seed)
    torch.manual_seed(seed)
    model = load_model(base)
    before = errors(model, holdout)
    shift_elements(model, [*train, *validation])
    shifted = errors(model, holdout)
    _train(model, train, validation or train, epochs, learning_rate, batch_size, seed)
    after = errors(model, holdout)
    found = (len(train), len(validation), len(holdout))
    architecture = base if base in ("0.3.0", "r2scan") else _architecture(base)
    card = {"base": base, "labels": levels[0], "frames": found, "after": asdict(after), "epochs": epochs, "seed": seed}
    save_tuned(out, model, architecture, card)
    level = f"chgnet-{sha256(out.read_bytes()).hexdigest()[:8]}"
    return Tuned(str(out), level, base, levels[0], *found, before, shifted, after)


def split(frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame], list[Frame]]:
    """Return training set, validation set and hold-out, split by formula alone.

    Of few formulas none may fall into the hold-out; then the one nearest to it is held out.

    Raises:
        SourceError: if there is nothing to train on.
    """
    digests = [md5(f.crystal.reduced_formula.encode(), usedforsecurity=False).hexdigest() for f in frames]
    places = [int(digest, 16) % 100 for digest in digests]
    holdout_from = min(HOLDOUT_FROM, max(places, default=0))
    buckets: tuple[list[Frame], list[Frame], list[Frame]] = ([], [], [])
    for frame, place in zip(frames, places, strict=True):
        buckets[2 if place >= holdout_from else 1 if place >= TRAIN_BELOW else 0].append(frame)
    if not buckets[0]:
        n = len({frame.crystal.reduced_formula for frame in frames})
        raise SourceError(f"{len(frames)} labelled crystals of {n} formulas are too few to train on and hold one out")
    return buckets


def errors(model: CHGNet, frames: Sequence[Frame]) -> Errors:
    """Return the mean absolute errors of a CHGNet on labelled crystals."""
    energy, force, stress = [], [], []
    for frame in frames:
        said = _predict(model, frame, "efs")
        energy.append(abs(float(said["e"]) - frame.energy_ev / len(frame.crystal)))
        force.append(np.abs(said["f"] - frame.forces).ravel())
        stress.append(np.abs(said["s"] * GPa - frame.stress).ravel())
    return Errors(float(np.mean(energy)), _mean(force), _mean(stress))


def shift_elements(model: CHGNet, frames: Sequence[Frame]) -> None:
    """Refit the energy per atom of each element, in place; an element that no frame has keeps its own."""
    elements = model.composition_model.fc
    assert isinstance(elements, torch.nn.Linear), "CHGNet's linear composition model"
    kinds = elements.in_features
    shares = np.stack([frame.crystal.counts[1 : kinds + 1] / len(frame.crystal) for frame in frames])
    residual = [frame.energy_ev / len(frame.crystal) - float(_predict(model, frame, "e")["e"]) for frame in frames]
    shift = np.linalg.solve(shares.T @ shares + RIDGE * np.eye(kinds), shares.T @ np.array(residual))
    with torch.no_grad():
        elements.weight += torch.tensor(shift, dtype=elements.weight.dtype)


def _predict(model: CHGNet, frame: Frame, task: Literal["e", "efs"]) -> dict[str, Any]:
    """Return CHGNet's own prediction: energy in eV/atom, forces in eV/Å, stress in GPa."""
    said = model.predict_structure(frame.crystal.to_pymatgen(), task=task)
    assert isinstance(said, dict), "one structure was given"
    return said


def _train(
    model: CHGNet,
    train: Sequence[Frame],
    validation: Sequence[Frame],
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> None:
    """Train the layers that are not `KEPT`, in place; the epoch with the least validation error is the result."""
    for name, parameter in model.named_parameters():
        first = name.split(".")[0]
        last = name.startswith(f"atom_conv_layers.{len(model.atom_conv_layers) - 1}.")
        kept = first in KEPT or first == "composition_model" or (first == "atom_conv_layers" and not last)
        parameter.requires_grad_(not kept)
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said):
        trainer = Trainer(
            model=model,
            targets=_targets(train),
            optimizer="Adam",
            scheduler="CosLR",
            criterion="Huber",
            epochs=epochs,
            learning_rate=learning_rate,
            use_device="cpu",
            torch_seed=seed,
            data_seed=seed + 1,  # its 0 means none
        )
        loaders = [_loader(part, batch_size, seed, model) for part in (train, validation)]
        trainer.train(*loaders, save_dir=folder)
        best = [path for path in Path(folder).iterdir() if path.name.startswith("bestE")]
        if best:  # its own best_model is the last one
            state = torch.load(best[0], weights_only=False)["model"]["state_dict"]
            model.load_state_dict(state)
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def _targets(frames: Sequence[Frame]) -> Any:
    """Return CHGNet's name of the labels: "e", "ef" or "efs"; its annotation leaves out "e", which works."""
    forces = any(np.isfinite(frame.forces).any() for frame in frames)
    stress = any(np.isfinite(frame.stress).any() for frame in frames)
    return "e" + "f" * forces + "s" * (forces and stress)


def _loader(frames: Sequence[Frame], batch_size: int, seed: int, model: CHGNet) -> DataLoader[Any]:
    data = StructureData(
        structures=[frame.crystal.to_pymatgen() for frame in frames],
        energies=[frame.energy_ev / len(frame.crystal) for frame in frames],
        forces=[frame.forces.tolist() for frame in frames],
        stresses=[(frame.stress / GPa * VASP_STRESS).tolist() for frame in frames],
        graph_converter=model.graph_converter,
        shuffle=False,
    )
    order = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size=batch_size, shuffle=True, generator=order, collate_fn=collate_graphs)


def _architecture(path: str) -> str:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return str(file.metadata()["base"])


def _mean(parts: Sequence[np.ndarray]) -> float:
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan
