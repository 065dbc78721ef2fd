"""Training of an ensemble: members in child processes, one at a time in each, with one torch thread.

The parent writes inputs and plan into a folder, the children leave weights there, and what passes is safetensors or
JSON. The folder is named by what is trained: the same training, asked for again after a kill, goes on from each
member's last whole epoch, and asked for twice at a time it is done once. Children live on for the next member and the
next training: importing torch and torch_geometric takes 8 s, more than a small training.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.disk import full, is_full, writing
from gnome_lite.core.errors import GnomeLiteError
from gnome_lite.core.messages import Channel
from gnome_lite.core.processes import ExitReason
from gnome_lite.core.workers import Workers
from gnome_lite.pipeline import Progress

if TYPE_CHECKING:
    from gnome_lite.predict.fit import History, Schedule
    from gnome_lite.predict.kinds import AnyArchitecture, Inputs
    from gnome_lite.predict.network import Normalisation

TRAIN_PERCENT = 85


def in_training(formulas: Sequence[str]) -> NDArray[np.bool_]:
    """Whether crystals of each reduced formula may be trained on, [n].

    GNoME's split, md5 modulo 100: it depends on nothing but the formula, so that one formula never stands on
    both sides, in any round and with any data.
    """
    digests = (md5(formula.encode(), usedforsecurity=False).hexdigest() for formula in formulas)
    return np.fromiter((int(digest, 16) % 100 < TRAIN_PERCENT for digest in digests), bool, len(formulas))


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a training depends on besides its data and the weights it begins with."""

    architecture: AnyArchitecture
    normalisation: Normalisation
    schedule: Schedule
    seed: int
    members: int


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One trained network.

    Attributes:
        weights: float32 arrays by parameter name.
        history: of each epoch the mean loss and the error on the hold-out, eV/atom.
        holdout_ev_per_atom: predictions of the hold-out, crystals at their own volume, [n_holdout].
    """

    weights: dict[str, NDArray[np.float32]]
    history: History
    holdout_ev_per_atom: NDArray[np.float64]


@contextmanager
def training_folder(place: Path, name: str) -> Iterator[Path]:
    """Path of the folder of one training, which no other process has meanwhile: it waits. In the end it is removed."""
    folder, path = place / f".training-{name}", place / f".training-{name}.lock"
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):  # whoever held it has removed it
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                break
        os.close(lock)
    try:
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        path.unlink()
        os.close(lock)


def train_members(
    plan: Plan,
    inputs: Inputs,
    e_form_ev_per_atom: NDArray[np.float64],
    holdout: Inputs,
    holdout_ev_per_atom: NDArray[np.float64],
    base: Sequence[dict[str, NDArray[np.float32]]] | None,
    folder: Path,
    processes: int,
    progress: Progress,
    stage: str,
) -> list[Member]:
    """Train all members, `processes` at a time (0: one a core).

    Args:
        inputs: training graphs with edges up to cutoff x `schedule.reach`, or formulas; [n].
        e_form_ev_per_atom: targets, [n].
        holdout: inputs, graphs at the natural volume, that no member trains on, and their targets.
        base: weights to begin with, one a member; None begins at random.
        folder: of a `training_folder`; made here.
        stage: name under which progress is told.

    Raises:
        DiskError: if the disk is full; called again, training goes on from each member's last whole epoch.
        GnomeLiteError: if a child fails otherwise.
    """
    from safetensors.numpy import load_file, save_file

    with writing(folder):
        folder.mkdir(exist_ok=True)
        if not (folder / "plan.json").exists():
            targets = {"train.targets": e_form_ev_per_atom, "holdout.targets": holdout_ev_per_atom}
            save_file({**_as("train", inputs), **_as("holdout", holdout), **targets}, folder / "data")
            for i, weights in enumerate(base or ()):
                save_file(weights, folder / f"base-{i}")
            partial = folder / "plan.json.part"
            partial.write_text(json.dumps({**asdict(plan), "from_base": base is not None}))
            partial.replace(folder / "plan.json")
    missing = [i for i in range(plan.members) if not (folder / f"done-{i}").exists()]
    epochs = [0] * plan.members
    with closing(_workers(processes, os.getpid()).run(deque((folder, i) for i in missing))) as events:
        for task, said, _ in events:
            _, member = task or (folder, None)
            if isinstance(said, ExitReason):
                events.close()
                if is_full(said.text):
                    raise full(folder, said.text)
                shutil.rmtree(folder)  # it would fail again; a kill, in contrast, leaves it to be gone on with
                raise GnomeLiteError(f"training of ensemble member {member} {said.text}")
            if member is not None and "progress" in said:
                epochs[member], loss = said["progress"]
                progress(stage, sum(epochs), plan.members * plan.schedule.epochs, f"{1000 * loss:.0f} meV/atom")
    return [_member(load_file(folder / f"done-{i}")) for i in range(plan.members)]


def _member(done: dict[str, Any]) -> Member:
    history = [(float(loss), float(error)) for loss, error in done.pop("history")]
    e_form = done.pop("holdout_ev_per_atom")
    return Member({k.removeprefix("weights."): v for k, v in done.items()}, history, e_form)


@cache
def _workers(processes: int, owner: int) -> Workers[tuple[Path, int]]:
    """Return the children of this process: one that was forked off has its own."""
    return Workers(__name__, {}, lambda task: {"folder": str(task[0]), "member": task[1]}, processes)


def main() -> None:
    """The child: train one member after another, until the parent closes the pipe."""
    parent = Channel.to_parent()
    parent.receive()
    import torch

    torch.set_num_threads(1)
    parent.send({"ready": True})
    while True:
        task = parent.receive()
        _train(Path(task["folder"]), task["member"], lambda epoch, loss: parent.send({"progress": (epoch, loss)}))
        parent.send({"done": True})


def _train(folder: Path, member: int, tell: Callable[[int, float], None]) -> None:
    import torch
    from safetensors.numpy import load_file, save_file

    from gnome_lite.predict.fit import Schedule, evaluate, fit
    from gnome_lite.predict.kinds import architecture_of, load_weights, network_of
    from gnome_lite.predict.network import Architecture, Normalisation

    plan = json.loads((folder / "plan.json").read_text())
    architecture, schedule = architecture_of(plan["architecture"]), Schedule(**plan["schedule"])
    data = load_file(folder / "data")
    torch.manual_seed(1000 * plan["seed"] + member)
    network = network_of(architecture, Normalisation(**plan["normalisation"]))
    if plan["from_base"]:
        load_weights(network, load_file(folder / f"base-{member}"))
    network = network.to("cuda" if torch.cuda.is_available() else "cpu")
    holdout = _from("holdout", data)
    history = fit(
        network,
        _from("train", data),
        data["train.targets"],
        (holdout, data["holdout.targets"]),
        architecture.cutoff_ang if isinstance(architecture, Architecture) else 0.0,
        schedule,
        (plan["seed"], member),
        tell,
        folder / f"state-{member}",
    )
    done = {f"weights.{k}": v.cpu().numpy() for k, v in network.state_dict().items()}
    done |= {"history": np.array(history), "holdout_ev_per_atom": evaluate(network, holdout)}
    partial = folder / f"done-{member}.part"
    save_file(done, partial)
    partial.replace(folder / f"done-{member}")


def _as(prefix: str, inputs: Inputs) -> dict[str, NDArray[np.generic]]:
    return {f"{prefix}.{name}": np.ascontiguousarray(array) for name, array in inputs.arrays().items()}


def _from(prefix: str, data: dict[str, NDArray[np.generic]]) -> Inputs:
    from gnome_lite.predict.kinds import inputs_from

    start = f"{prefix}."
    return inputs_from(
        {k.removeprefix(start): v for k, v in data.items() if k.startswith(start) and k != f"{start}targets"}
    )


if __name__ == "__main__":
    with suppress(EOFError):
        main()
