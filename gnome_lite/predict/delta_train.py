"""Training of the Δ-model: one member a fold of chemical systems, and what each says of the fold it has not seen.

What counts in a hull is the error *between* the phases of a system: what they all share in proportion to their elements
cancels. So beside each crystal's own error the loss has the differences of errors between crystals of like composition,
and batches are made of such neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import md5, sha256
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gnome_lite.core.crystals import CrystalBatch, chemical_system, symbol
from gnome_lite.core.errors import SourceError
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.pipeline import Progress, silent
from gnome_lite.predict.build import MAX_ABS_E_FORM_EV_PER_ATOM
from gnome_lite.predict.delta import (
    DeltaCard,
    DeltaModel,
    Scaling,
    delta_id,
    evaluate,
    fractions_of,
    linear_energies,
    pack,
    tensors_of,
)
from gnome_lite.predict.delta_network import DeltaNetwork

NEIGHBOURS, BLOCKS = 16, 4
"""A batch is so many blocks of so many crystals of like composition."""
COMPOSITION_LENGTH = 0.3
"""Sum of differences of atomic fractions within which two crystals are neighbours."""
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 2e-2
ONE_SIGMA = 0.6827
FEWEST = 50


class DeltaPlan(NamedTuple):
    """All that a training depends on besides its data."""

    members: int = 5
    epochs: int = 15
    width: int = 48
    pair_weight: float = 1.0
    seed: int = 0


def train_delta(
    features: SurrogateFeatures,
    e_form_ev_per_atom: NDArray[np.float64],
    level: str,
    target: str,
    plan: DeltaPlan = DeltaPlan(),  # noqa: B008 (immutable)
    without: Sequence[str] = (),
    progress: Progress = silent,
) -> DeltaModel:
    """Learn to correct `features`' first energies, of `level`, to labels of level `target`.

    Args:
        e_form_ev_per_atom: labels, [n]; what is not finite or beyond physics is left out.
        without: crystals within these elements are left out.

    Raises:
        SourceError: if fewer than FEWEST crystals remain.
        FloatingPointError: if a loss stops being finite.
    """
    rows = _usable(features, e_form_ev_per_atom, without)
    if len(rows) < FEWEST:
        raise SourceError(f"{len(rows)} labelled crystals can be learnt from, fewer than {FEWEST}: give more")
    features, labels = features.take(rows), np.asarray(e_form_ev_per_atom, dtype=np.float64)[rows]
    scaling = _scaling(features, labels)
    residual = labels - linear_energies(features, scaling)
    fold = folds(features.crystals, plan.members)
    correction, scale = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    networks = []
    for member in range(plan.members):
        seen, held = np.flatnonzero(fold != member), np.flatnonzero(fold == member)
        network = _fit(features, scaling, residual, seen, plan, member, progress)
        for some in np.array_split(held, max(1, len(held) // 256)):
            if len(some):
                correction[some], scale[some] = evaluate(network, tensors_of(features, scaling, some))
        networks.append(network)
    away = np.abs(residual - correction)
    judged = np.isfinite(away)
    factor = float(np.quantile(away[judged] / scale[judged], ONE_SIGMA))
    packed = pack(scaling, tuple(networks))
    digest = sha256(features.energies_ev_per_atom.astype("<f8").tobytes() + labels.astype("<f8").tobytes())
    card = DeltaCard(
        id=delta_id(*packed), level=level, target=target, members=plan.members, features=features.atoms.shape[1],
        width=plan.width, without=tuple(sorted(without)),
        elements=tuple(symbol(z) for z in np.flatnonzero(features.crystals.counts.any(axis=0))),
        seed=plan.seed, epochs=plan.epochs, n_train=len(rows), spread_factor=factor,
        linear_mae_ev_per_atom=float(np.abs(residual).mean()), holdout_mae_ev_per_atom=float(away[judged].mean()),
        data_hash=digest.hexdigest()[:16],
    )  # fmt: skip
    return DeltaModel(card, scaling, tuple(networks))


def folds(crystals: CrystalBatch, n: int) -> NDArray[np.int64]:
    """Fold of each crystal by the md5 of its chemical system, [n]: a system is never on both sides."""
    names = (chemical_system(c.numbers) for c in crystals)
    return np.array([int(md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % n for name in names])


def _usable(features: SurrogateFeatures, labels: NDArray[np.float64], without: Sequence[str]) -> NDArray[np.int64]:
    """Rows to learn from; of crystals of one formula, size, energy and label only the first (sets overlap)."""
    energies = features.energies_ev_per_atom
    good = np.isfinite(energies).all(axis=1) & (np.abs(labels) <= MAX_ABS_E_FORM_EV_PER_ATOM)
    if without:
        good &= ~features.crystals.within(without)
    rows = np.flatnonzero(good)
    keys = np.column_stack([features.crystals.counts[rows], np.round(1000 * energies[rows, :1]), labels[rows].round(3)])
    _, first = np.unique(keys, axis=0, return_index=True)
    return rows[np.sort(first)]


def _scaling(features: SurrogateFeatures, labels: NDArray[np.float64]) -> Scaling:
    fractions = fractions_of(features)
    energies = features.energies_ev_per_atom
    return Scaling(
        by_element(fractions, labels - energies[:, 0]),
        by_element(fractions, energies[:, 1] - energies[:, 0]),
        features.atoms.mean(axis=0, dtype=np.float64),
        features.atoms.std(axis=0, dtype=np.float64) + 1e-6,
    )


def by_element(fractions: NDArray[np.float64], target: NDArray[np.float64], steps: int = 10) -> NDArray[np.float64]:
    """One number an element with the least sum of absolute errors (reweighted least squares), [MAX_Z + 1]."""
    weight = np.ones(len(target))
    found = np.zeros(fractions.shape[1])
    ridge = 1e-3 * np.eye(fractions.shape[1])
    for _ in range(steps):
        weighted = fractions * weight[:, None]
        found[:] = np.linalg.solve(weighted.T @ fractions + ridge, weighted.T @ target)
        weight = 1.0 / np.maximum(np.abs(target - fractions @ found), 0.01)
    return found


def _fit(
    features: SurrogateFeatures,
    scaling: Scaling,
    residual: NDArray[np.float64],
    seen: NDArray[np.int64],
    plan: DeltaPlan,
    member: int,
    progress: Progress,
) -> DeltaNetwork:
    torch.manual_seed(plan.seed * 1000 + member)
    rng = np.random.default_rng((plan.seed, member))
    network = DeltaNetwork(features.atoms.shape[1], plan.width)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    fractions = fractions_of(features)
    n_batches = len(_batches(fractions, seen, rng))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=plan.epochs * n_batches + 1)
    for epoch in range(plan.epochs):
        for batch in _batches(fractions, seen, rng):
            correction, scale = network(tensors_of(features, scaling, batch))
            error = torch.from_numpy(residual[batch].astype(np.float32)) - correction
            loss = (error.abs() / scale + scale.log()).mean()
            if plan.pair_weight:
                loss = loss + plan.pair_weight * _pairs(error, scale, torch.from_numpy(fractions[batch]).float())
            if not math.isfinite(loss.item()):
                raise FloatingPointError("the Δ-model's training diverged: check its labels")
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        progress("train", member * plan.epochs + epoch + 1, plan.members * plan.epochs, f"member {member + 1}")
    return network.eval()


def _pairs(error: Tensor, scale: Tensor, fractions: Tensor) -> Tensor:
    """Mean difference of errors between neighbours in composition, in units of their scales."""
    weight = torch.exp(-torch.cdist(fractions, fractions, p=1) / COMPOSITION_LENGTH)
    weight = weight - torch.diag(torch.diagonal(weight))
    unit = (scale[:, None] + scale[None, :]).detach()
    return (weight * (error[:, None] - error[None, :]).abs() / unit).sum() / weight.sum().clamp(min=1e-6)


def _batches(
    fractions: NDArray[np.float64], rows: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Blocks of crystals that are neighbours on a random line through compositions, a few blocks a batch."""
    kinds, amounts = rng.normal(size=(2, fractions.shape[1]))
    order = rows[np.argsort((fractions[rows] > 0) @ kinds + COMPOSITION_LENGTH * fractions[rows] @ amounts)]
    blocks = np.array_split(order, max(1, len(order) // NEIGHBOURS))
    shuffled = rng.permutation(len(blocks))
    return [np.concatenate([blocks[i] for i in shuffled[k : k + BLOCKS]]) for k in range(0, len(blocks), BLOCKS)]
