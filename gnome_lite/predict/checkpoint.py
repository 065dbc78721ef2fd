"""An ensemble on disk: `member-*.safetensors`, `model.json`, `holdout.safetensors`, and `SHA256SUMS` over them.

Nothing is parsed before its hash has been checked, and nothing here can run code: no pickle. A checkpoint is
written beside its place and moved there in one rename, so a killed writer leaves no half of one.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from torch import nn

from gnome_lite.core.crystals import MAX_Z, CrystalBatch
from gnome_lite.core.errors import CheckpointError
from gnome_lite.core.limited import read_limited
from gnome_lite.core.records import ModelRecord, TrainingSet
from gnome_lite.predict.composition import CompositionArchitecture
from gnome_lite.predict.kinds import AnyArchitecture, network_of
from gnome_lite.predict.network import Architecture, Normalisation

Weights = dict[str, NDArray[np.float32]]
"""Parameters of one member by name."""

MANIFEST, CARD, HOLDOUT, HISTORY = "SHA256SUMS", "model.json", "holdout.safetensors", "history.json"
MAX_BYTES, MAX_TEXT_BYTES = 1 << 30, 1 << 24
"""Of all files of a checkpoint together, and of a text among them."""
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)")
_Finite = Annotated[float, Field(allow_inf_nan=False)]


def _kind_of(architecture: object) -> str:
    """Tell the two kinds of architecture apart, so that a complaint is about the one that is meant."""
    fields = architecture if isinstance(architecture, dict) else vars(type(architecture))
    return "composition" if "kind" in fields else "structure"


class ModelCard(BaseModel):
    """What `model.json` holds.

    Attributes:
        id: hash of the weights, the architecture and the normalisation.
        recipe: hash of everything the training depended on: equal recipes give equal ids.
        data_hash: hash of the training crystals and targets.
        base_id: model whose weights the training began with, "" for none.
        holdout_mae_ev_per_atom: of the median of the members, on formulas none of them was trained on.
        holdout_unrelaxed: the hold-out is of candidates as they were before relaxation, with the energies of what they
            relaxed to: what the ensemble is asked for. Else it is of relaxed crystals.
        elements: symbols of those that enough training compounds hold (or those of the base); what is predicted of
            others is out of domain.
        without: elements of a system whose compounds of three and more elements were kept out of training: what
            rediscovery there is judged by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^gnn-[0-9a-f]{16}$")]
    level: str
    members: Annotated[int, Field(ge=1, le=64)]
    architecture: Annotated[
        Annotated[CompositionArchitecture, Tag("composition")] | Annotated[Architecture, Tag("structure")],
        Discriminator(_kind_of),
    ]
    normalisation: Normalisation
    seed: int
    epochs: int
    learning_rate: _Finite
    batch_size: int
    n_train: int
    n_holdout: int
    train_mae_ev_per_atom: _Finite
    holdout_mae_ev_per_atom: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    recipe: str
    data_hash: str
    base_id: str = ""
    promoted: bool = True
    holdout_unrelaxed: bool = False
    elements: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def record(self, path: Path) -> ModelRecord:
        return ModelRecord(
            self.id, str(path), self.n_train, self.n_holdout, self.holdout_mae_ev_per_atom, self.promoted
        )


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A whole ensemble. The hold-out travels with a base model, so that later ones meet the same test.

    Attributes:
        history: of each member, of each epoch: mean loss of training and error on the hold-out, eV/atom.
    """

    card: ModelCard
    weights: tuple[Weights, ...]
    holdout: TrainingSet | None = None
    history: tuple[tuple[tuple[float, float], ...], ...] = ()


def model_id(architecture: AnyArchitecture, normalisation: Normalisation, weights: tuple[Weights, ...]) -> str:
    """Return "gnn-" and 16 hex digits: equal ids mean equal predictions."""
    digest = sha256(json.dumps([asdict(architecture), asdict(normalisation)], sort_keys=True).encode())
    for member in weights:
        for name in sorted(member):
            digest.update(f"{name}{member[name].shape}".encode())
            digest.update(np.ascontiguousarray(member[name], dtype="<f4").tobytes())
    return f"gnn-{digest.hexdigest()[:16]}"


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as directory `path`; one that is there already is replaced.

    Raises:
        CheckpointError: if the place cannot be written.
    """
    from safetensors.numpy import save

    files = {f"member-{i:02d}.safetensors": save(w) for i, w in enumerate(checkpoint.weights)}
    if checkpoint.holdout is not None:
        crystals = checkpoint.holdout.crystals
        files[HOLDOUT] = save(
            {
                "numbers": crystals.numbers,
                # Single precision: networks read no more, and it is half the size.
                "frac_coords": crystals.frac_coords.astype(np.float32),
                "lattices": crystals.lattices.astype(np.float32),
                "offsets": crystals.offsets,
                "e_form_ev_per_atom": checkpoint.holdout.e_form_ev_per_atom,
            }
        )
    if checkpoint.history:
        files[HISTORY] = (json.dumps(checkpoint.history) + "\n").encode()
    files[CARD] = (checkpoint.card.model_dump_json(indent=2) + "\n").encode()
    write_files(files, path)


def write_files(files: dict[str, bytes], path: Path) -> None:
    """Write files and the manifest over them as directory `path`; one that is there already is replaced.

    Raises:
        CheckpointError: if the place cannot be written.
    """
    files = dict(files)
    sums = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files[MANIFEST] = sums.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as scratch:
            fresh, old = Path(scratch, "fresh"), Path(scratch, "old")
            fresh.mkdir()
            for name, content in files.items():
                with open(fresh / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            if path.exists():
                path.rename(old)
            fresh.rename(path)
    except OSError as error:
        raise CheckpointError(f"cannot write model {path}: {error}; check the path and the space on it") from error


def read_card(path: Path) -> ModelCard:
    """The card alone, of a checkpoint whose files all have the hashes they should have.

    Raises:
        CheckpointError: as `read`.
    """
    return _card(path, verified_files(path))


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: if a file is missing or altered, a member is missing, a name, shape or type is not
            the architecture's, a number is not finite, or the id is not the weights'.
    """
    files = verified_files(path)
    card = _card(path, files)
    names = [f"member-{i:02d}.safetensors" for i in range(card.members)]
    listed = sorted(name for name in files if name.startswith("member-"))
    if listed != names:
        raise CheckpointError(f"model {path} has {len(listed)} of {card.members} members: {REMEDY}")
    if HOLDOUT not in files and card.n_holdout and not card.base_id and isinstance(card.architecture, Architecture):
        raise CheckpointError(f"model {path} lacks {HOLDOUT}, by which those trained from it are judged: {REMEDY}")
    with torch.device("meta"):  # its shapes, without memory, until the weights are known to have them
        network = network_of(card.architecture, card.normalisation)
    weights = tuple(parse_weights(path, name, files[name], network) for name in names)
    if model_id(card.architecture, card.normalisation, weights) != card.id:
        raise CheckpointError(f"model {path} has other weights than its id {card.id} says: {REMEDY}")
    return Checkpoint(
        card,
        weights,
        _holdout(path, files[HOLDOUT]) if HOLDOUT in files else None,
        _history(path, files[HISTORY]) if HISTORY in files else (),
    )


REMEDY = "delete the directory (a model that is missing is trained again) or restore it"


def verified_files(path: Path) -> dict[str, bytes]:
    """Contents of the files the manifest lists, hashed as read: what is checked is what is parsed."""
    try:
        lines = read_limited(path / MANIFEST, MAX_TEXT_BYTES).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is no model: its {MANIFEST} cannot be read ({error}); {REMEDY}") from error
    files: dict[str, bytes] = {}
    left = MAX_BYTES
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or match[2] in files:
            raise CheckpointError(f"{path / MANIFEST} is damaged: {REMEDY}")
        try:
            content = read_limited(path / match[2], min(left, MAX_TEXT_BYTES) if match[2].endswith(".json") else left)
        except FileNotFoundError as error:
            raise CheckpointError(f"model {path} lacks {match[2]} ({error}): {REMEDY}") from error
        except OSError as error:
            raise CheckpointError(f"cannot read {path / match[2]} ({error.strerror}): {REMEDY}") from error
        left -= len(content)
        if sha256(content).hexdigest() != match[1]:
            raise CheckpointError(f"{path / match[2]} is not the file that was written (SHA-256 differs): {REMEDY}")
        files[match[2]] = content
    strays = sorted({p.name for p in path.iterdir() if p.suffix in (".safetensors", ".json")} - files.keys())
    if strays:
        raise CheckpointError(f"{path / MANIFEST} does not list {strays[0]}: {REMEDY}")
    return files


def _card(path: Path, files: dict[str, bytes]) -> ModelCard:
    if CARD not in files:
        raise CheckpointError(f"model {path} lacks {CARD}: {REMEDY}")
    try:
        return ModelCard.model_validate_json(files[CARD])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{path / CARD}: {where}: {first['msg']}; {REMEDY}") from error


def parse(path: Path, name: str, content: bytes) -> Weights:
    """Return the weights in a safetensors file's content; raises CheckpointError naming path and file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path / name} is no safetensors file ({error}): {REMEDY}") from error


def parse_weights(path: Path, name: str, content: bytes, network: nn.Module) -> Weights:
    """Read the weights of a network.

    Raises:
        CheckpointError: if a name, shape or type is not the network's, or a number is not finite.
    """
    weights = parse(path, name, content)
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    if {key: value.shape for key, value in weights.items()} != expected:
        raise CheckpointError(f"{path / name} does not fit the architecture in {CARD}: {REMEDY}")
    if not all(value.dtype == np.float32 and np.isfinite(value).all() for value in weights.values()):
        raise CheckpointError(f"{path / name} holds numbers that are not finite float32: {REMEDY}")
    return weights


def _history(path: Path, content: bytes) -> tuple[tuple[tuple[float, float], ...], ...]:
    try:
        return TypeAdapter(tuple[tuple[tuple[float, float], ...], ...]).validate_json(content)
    except ValidationError as error:
        raise CheckpointError(f"{path / HISTORY} holds no pairs of numbers: {REMEDY}") from error


def _holdout(path: Path, content: bytes) -> TrainingSet:
    a = parse(path, HOLDOUT, content)
    try:
        crystals = CrystalBatch(
            a["numbers"].astype(np.int64), a["frac_coords"].astype(float), a["lattices"].astype(float),
            a["offsets"].astype(np.int64),
        )  # fmt: skip
        e_form = a["e_form_ev_per_atom"].astype(float)
    except KeyError as error:
        raise CheckpointError(f"{path / HOLDOUT} lacks {error}: {REMEDY}") from error
    n, n_atoms = len(e_form), len(crystals.numbers)
    shapes_fit = (
        crystals.lattices.shape == (n, 3, 3)
        and crystals.frac_coords.shape == (n_atoms, 3)
        and crystals.offsets.shape == (n + 1,)
        and crystals.numbers.shape == (n_atoms,)
        and e_form.shape == (n,)
        and bool((crystals.numbers >= 1).all() and (crystals.numbers <= MAX_Z).all())
        and bool(np.isfinite(crystals.lattices).all() and np.isfinite(crystals.frac_coords).all())
        and crystals.offsets[0] == 0
        and crystals.offsets[-1] == n_atoms
        and bool((np.diff(crystals.offsets) > 0).all())
    )
    if not shapes_fit or not np.isfinite(e_form).all():
        raise CheckpointError(f"{path / HOLDOUT} is inconsistent: {REMEDY}")
    return TrainingSet(crystals, e_form)
