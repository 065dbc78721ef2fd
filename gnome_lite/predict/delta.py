"""The Δ-model: from a potential's energies to DFT formation energies, each with a spread, as one directory on disk.

Two spreads, because they act differently on a hull. `own` is what scatters from crystal to crystal (magnetic orderings,
say). `shared` is how the members differ: if they differ alike for all phases of a system, most of it cancels there.
`stability.uncertainty` takes both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gnome_lite.core.crystals import MAX_Z, atomic_fractions, atomic_number
from gnome_lite.core.errors import CheckpointError
from gnome_lite.core.surrogate_features import SurrogateFeatures
from gnome_lite.predict import checkpoint
from gnome_lite.predict.delta_network import DeltaNetwork, DeltaTensors
from gnome_lite.predict.kinds import load_weights

SCALING = "scaling.safetensors"
CRYSTALS_AT_ONCE = 256
DIFFERENCE_CLIP_EV_PER_ATOM = 0.2
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class DeltaCard(BaseModel):
    """What `model.json` holds.

    Attributes:
        id: hash of weights and scaling.
        level: of the energies that are corrected.
        target: level of the labels.
        without: elements of the systems that were kept out of training ("Fe-Li-O-P": no crystal within these).
        elements: of the training crystals; others are out of domain.
        spread_factor: own spread = this times the learnt scale; 68 % of held-out errors lie within.
        linear_mae_ev_per_atom: of energies corrected by one number an element only.
        holdout_mae_ev_per_atom: of each crystal by the one member that was not trained on its chemical system.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^delta-[0-9a-f]{16}$")]
    level: str
    target: str
    members: Annotated[int, Field(ge=1, le=64)]
    features: Annotated[int, Field(ge=1, le=4096)]
    width: Annotated[int, Field(ge=1, le=1024)]
    without: tuple[str, ...] = ()
    elements: tuple[str, ...]
    seed: int
    epochs: int
    n_train: int
    spread_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    linear_mae_ev_per_atom: _Finite
    holdout_mae_ev_per_atom: _Finite
    data_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What is fitted before any network.

    Attributes:
        element_ev: of each element, what the first potential's energy per atom of it lacks to a formation energy,
            eV, [MAX_Z + 1].
        difference_ev: of each element, between the two potentials, eV, [MAX_Z + 1].
        mean, deviation: of the atoms' vectors, [f].
    """

    element_ev: NDArray[np.float64]
    difference_ev: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Of n crystals; NaN where a potential has no energy or an element was not in training.

    Attributes:
        e_form_ev_per_atom: on the DFT scale, [n].
        linear_ev_per_atom: the same with one number an element as the only correction, [n].
        own_ev_per_atom: standard deviation of what is the crystal's own error, [n].
        shared_ev_per_atom: factors of the errors that crystals share, [n, members].
    """

    e_form_ev_per_atom: NDArray[np.float64]
    linear_ev_per_atom: NDArray[np.float64]
    own_ev_per_atom: NDArray[np.float64]
    shared_ev_per_atom: NDArray[np.float64]

    @property
    def spread_ev_per_atom(self) -> NDArray[np.float64]:
        """Standard deviation of all of it, [n]."""
        return np.sqrt(self.own_ev_per_atom**2 + (self.shared_ev_per_atom**2).sum(axis=1))


class DeltaModel:
    """Members, scaling and card, ready to correct."""

    def __init__(self, card: DeltaCard, scaling: Scaling, networks: tuple[DeltaNetwork, ...]) -> None:
        self.card = card
        self.scaling = scaling
        self.networks = tuple(network.eval() for network in networks)
        self._known = np.zeros(MAX_Z + 1, dtype=bool)
        self._known[[atomic_number(e) for e in card.elements]] = True

    def correct(self, features: SurrogateFeatures) -> Corrected:
        """Formation energies and spreads of crystals, see `Corrected`."""
        n, k = len(features), len(self.networks)
        counts = features.crystals.counts
        usable = np.isfinite(features.energies_ev_per_atom).all(axis=1) & ~counts[:, ~self._known].any(axis=1)
        linear = np.full(n, np.nan)
        linear[usable] = linear_energies(features, self.scaling)[usable]
        said = np.full((k, n), np.nan)
        scale = np.full((k, n), np.nan)
        rows = np.flatnonzero(usable)
        for some in np.array_split(rows, max(1, -(-len(rows) // CRYSTALS_AT_ONCE))):
            if len(some):
                tensors = tensors_of(features, self.scaling, some)
                for m, network in enumerate(self.networks):
                    said[m, some], scale[m, some] = evaluate(network, tensors)
        e_form = linear + said.mean(axis=0)
        shared = (said - said.mean(axis=0)).T / np.sqrt(k)
        return Corrected(e_form, linear, self.card.spread_factor * scale.mean(axis=0), shared)


def linear_energies(features: SurrogateFeatures, scaling: Scaling) -> NDArray[np.float64]:
    """Formation energies with one number an element as the only correction, eV/atom, [n]."""
    return features.energies_ev_per_atom[:, 0] + fractions_of(features) @ scaling.element_ev


def tensors_of(features: SurrogateFeatures, scaling: Scaling, rows: NDArray[np.int64]) -> DeltaTensors:
    """What the network reads of some crystals."""
    some = features.take(rows)
    energies = some.energies_ev_per_atom
    apart = energies[:, 1] - energies[:, 0] - fractions_of(some) @ scaling.difference_ev
    apart = np.clip(apart, -DIFFERENCE_CLIP_EV_PER_ATOM, DIFFERENCE_CLIP_EV_PER_ATOM)
    return DeltaTensors(
        torch.from_numpy(((some.atoms - scaling.mean) / scaling.deviation).astype(np.float32)),
        torch.from_numpy(some.crystals.numbers),
        torch.from_numpy(some.crystals.crystal_of_atom),
        torch.from_numpy(some.crystals.n_atoms.astype(np.float32)),
        torch.from_numpy(apart.astype(np.float32)),
    )


def evaluate(network: DeltaNetwork, tensors: DeltaTensors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correction and scale of its error, eV/atom, [n] each."""
    with torch.inference_mode():
        correction, scale = network(tensors)
    return correction.numpy().astype(np.float64), scale.numpy().astype(np.float64)


def fractions_of(features: SurrogateFeatures) -> NDArray[np.float64]:
    """Atomic fractions of crystals, [n, MAX_Z + 1]."""
    return atomic_fractions(features.crystals.counts)


def delta_id(scaling: bytes, members: tuple[bytes, ...]) -> str:
    """Return "delta-" and 16 hex digits: equal ids mean equal corrections."""
    digest = sha256(scaling)
    for member in members:
        digest.update(member)
    return f"delta-{digest.hexdigest()[:16]}"


def pack(scaling: Scaling, networks: tuple[DeltaNetwork, ...]) -> tuple[bytes, tuple[bytes, ...]]:
    """Scaling and members as safetensors."""
    from safetensors.numpy import save

    numbers = {name: getattr(scaling, name) for name in Scaling.__dataclass_fields__}
    members = (save({k: v.numpy() for k, v in network.state_dict().items()}) for network in networks)
    return save(numbers), tuple(members)


def write(model: DeltaModel, path: Path) -> None:
    """Write a model as directory `path`; one that is there already is replaced.

    Raises:
        CheckpointError: if the place cannot be written.
    """
    scaling, members = pack(model.scaling, model.networks)
    files = {f"member-{i:02d}.safetensors": content for i, content in enumerate(members)}
    files |= {SCALING: scaling, checkpoint.CARD: (model.card.model_dump_json(indent=2) + "\n").encode()}
    checkpoint.write_files(files, path)


def read(path: Path) -> DeltaModel:
    """Read a model; nothing is parsed before its hash has been checked.

    Raises:
        CheckpointError: if a file is missing or altered, a shape is not the card's, a number is not finite, or the id
            is not the weights'.
    """
    files = checkpoint.verified_files(path)
    try:
        card = DeltaCard.model_validate_json(files[checkpoint.CARD])
        members = tuple(files[f"member-{i:02d}.safetensors"] for i in range(card.members))
        content = files[SCALING]
    except (KeyError, ValidationError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"model {path} is no Δ-model ({str(error).splitlines()[0]}): {checkpoint.REMEDY}"
        ) from error
    if delta_id(content, members) != card.id:
        raise CheckpointError(f"model {path} has other weights than its id {card.id} says: {checkpoint.REMEDY}")
    numbers = checkpoint.parse(path, SCALING, content)
    expected = {"element_ev": MAX_Z + 1, "difference_ev": MAX_Z + 1, "mean": card.features, "deviation": card.features}
    if {name: value.shape for name, value in numbers.items()} != {name: (n,) for name, n in expected.items()}:
        raise CheckpointError(f"{path / SCALING} does not fit the card: {checkpoint.REMEDY}")
    if not all(np.isfinite(value).all() for value in numbers.values()):
        raise CheckpointError(f"{path / SCALING} holds numbers that are not finite: {checkpoint.REMEDY}")
    networks = []
    for i, member in enumerate(members):
        with torch.device("meta"):  # its shapes, without memory, until the weights are known to have them
            empty = DeltaNetwork(card.features, card.width)
        weights = checkpoint.parse_weights(path, f"member-{i:02d}.safetensors", member, empty)
        networks.append(load_weights(DeltaNetwork(card.features, card.width), weights))
    scaling = Scaling(**{name: value.astype(np.float64) for name, value in numbers.items()})
    return DeltaModel(card, scaling, tuple(networks))
