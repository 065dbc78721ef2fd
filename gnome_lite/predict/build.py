"""From labelled crystals to a checkpoint: split, inputs, normalisation, training, figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import MAX_Z, CrystalBatch, symbol
from gnome_lite.core.errors import SourceError
from gnome_lite.core.records import TrainingSet
from gnome_lite.pipeline import Progress
from gnome_lite.predict.checkpoint import Checkpoint, ModelCard, model_id
from gnome_lite.predict.fit import Schedule, evaluate
from gnome_lite.predict.kinds import AnyArchitecture, Inputs, inputs_of, load_weights, network_of, normalisation_of
from gnome_lite.predict.train import Member, Plan, in_training, train_members

MAX_ABS_E_FORM_EV_PER_ATOM = 5.0
"""Formation energies beyond this are no physics and are not trained on."""
FEWEST_COMPOUNDS = 20
"""Networks know an element that so many of their training compounds hold; its pure crystals tell nothing of those."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that an ensemble depends on besides its data and the weights it begins with."""

    level: str
    architecture: AnyArchitecture
    schedule: Schedule
    members: int
    seed: int

    def hash(self, data: TrainingSet, base_id: str) -> str:
        """Return a hash; equal ones mean equal ensembles."""
        text = json.dumps([asdict(self), data_hash(data), base_id], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]


def data_hash(data: TrainingSet) -> str:
    """Hash of crystals and targets, 16 hex digits."""
    digest = sha256()
    c = data.crystals
    for array in (c.numbers, c.frac_coords, c.lattices, c.offsets, data.e_form_ev_per_atom):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()[:16]


def join(sets: Sequence[TrainingSet]) -> TrainingSet:
    """Return several training sets as one."""
    return TrainingSet(
        CrystalBatch.concatenate([s.crystals for s in sets]), np.concatenate([s.e_form_ev_per_atom for s in sets])
    )


def split(data: TrainingSet) -> tuple[TrainingSet, TrainingSet]:
    """Split by reduced formula into (for training, held out); labels that are not finite, or no physics, in neither."""
    with np.errstate(invalid="ignore"):
        sound = np.abs(data.e_form_ev_per_atom) <= MAX_ABS_E_FORM_EV_PER_ATOM
    training = in_training(data.crystals.reduced_formulas())
    return data.take(sound & training), data.take(sound & ~training)


def build(
    data: TrainingSet,
    holdout: TrainingSet,
    recipe: Recipe,
    origin: Checkpoint | None,
    folder: Path,
    processes: int,
    progress: Progress,
    stage: str,
    unrelaxed: bool = False,
) -> Checkpoint:
    """Train an ensemble.

    Args:
        data: all labelled crystals; only those whose formulas are for training are trained on.
        holdout: crystals to judge it by; their formulas must not be for training.
        origin: the checkpoint whose weights and normalisation it begins with, None for none.
        folder: of a `train.training_folder`, for the children's files.
        processes: members trained at a time; 0 means one a core.
        stage: name under which progress is told.
        unrelaxed: the hold-out is of unrelaxed crystals.

    Returns:
        The checkpoint. Without any hold-out its error is that of training (`n_holdout` says so). One that began with
        another's weights is promoted unless it is worse on the hold-out by more than the standard error of the
        difference.

    Raises:
        SourceError: if no crystal can be trained on.
        GnomeLiteError: if training fails.
    """
    training, _ = split(data)
    inputs, targets = inputs_of(recipe.architecture, training, recipe.schedule.reach)
    if not len(inputs):
        raise SourceError(f"none of {len(data)} crystals can be trained on: add sources with compounds")
    held, held_targets = inputs_of(recipe.architecture, holdout)
    if origin is not None:
        normalisation = origin.card.normalisation
    else:
        normalisation = normalisation_of(recipe.architecture, inputs, targets)
    plan = Plan(recipe.architecture, normalisation, recipe.schedule, recipe.seed, recipe.members)
    base = None if origin is None else origin.weights
    name = recipe.hash(data, "" if origin is None else origin.card.id)
    members = train_members(plan, inputs, targets, held, held_targets, base, folder, processes, progress, stage)
    weights = tuple(member.weights for member in members)
    train_mae = float(np.median([member.history[-1][0] for member in members]))
    holdout_mae = _mae(members, held_targets) if len(held_targets) else train_mae
    card = ModelCard(
        id=model_id(recipe.architecture, normalisation, weights),
        level=recipe.level,
        members=recipe.members,
        architecture=recipe.architecture,
        normalisation=normalisation,
        seed=recipe.seed,
        epochs=recipe.schedule.epochs,
        learning_rate=recipe.schedule.learning_rate,
        batch_size=recipe.schedule.batch_size,
        n_train=len(inputs),
        n_holdout=len(held_targets),
        train_mae_ev_per_atom=train_mae,
        holdout_mae_ev_per_atom=holdout_mae,
        recipe=name,
        data_hash=data_hash(data),
        base_id="" if origin is None else origin.card.base_id or origin.card.id,
        promoted=origin is None or not _is_worse(members, origin, held, held_targets),
        holdout_unrelaxed=unrelaxed,
        elements=_elements(training, () if origin is None else origin.card.elements),
    )
    history = tuple(tuple(member.history) for member in members)
    return Checkpoint(card, weights, holdout if origin is None else None, history)


def _elements(training: TrainingSet, also: tuple[str, ...]) -> tuple[str, ...]:
    """Symbols of those that enough compounds hold, in the order of the atomic numbers."""
    held = training.crystals.counts > 0
    compounds = held[held.sum(axis=1) > 1].sum(axis=0)
    return tuple(s for z in range(1, MAX_Z + 1) if (s := symbol(z)) in also or compounds[z] >= FEWEST_COMPOUNDS)


def _is_worse(
    members: Sequence[Member], origin: Checkpoint, held: Inputs, e_form_ev_per_atom: NDArray[np.float64]
) -> bool:
    """Return whether their median errs more than the origin's, crystal by crystal, beyond one standard error."""
    if len(e_form_ev_per_atom) < 2:
        return False
    before = []
    for weights in origin.weights:
        network = network_of(origin.card.architecture, origin.card.normalisation)
        before.append(evaluate(load_weights(network, weights), held))
    errors = [
        np.abs(np.median(said, axis=0) - e_form_ev_per_atom)
        for said in ([member.holdout_ev_per_atom for member in members], before)
    ]
    rise = errors[0] - errors[1]
    return bool(rise.mean() > rise.std(ddof=1) / np.sqrt(len(rise)))


def _mae(members: Sequence[Member], e_form_ev_per_atom: NDArray[np.float64]) -> float:
    """Mean absolute error of the members' median."""
    median = np.median([member.holdout_ev_per_atom for member in members], axis=0)
    return float(np.abs(median - e_form_ev_per_atom).mean())
