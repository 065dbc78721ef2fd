"""Training of an ensemble: each member in a child process of its own, with one torch thread.

The parent writes graphs and plan into a job directory and starts `python -m gnome_lite.predict.train DIR MEMBER`
once a member; the child prints a line an epoch and leaves its weights there. Everything that passes is
safetensors or JSON. A child whose standard input closes ends itself, so none outlives a killed parent.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.errors import GnomeLiteError
from gnome_lite.pipeline import Progress
from gnome_lite.predict.graph import GraphSet

if TYPE_CHECKING:
    from gnome_lite.predict.fit import Schedule
    from gnome_lite.predict.network import Architecture, Normalisation

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

    architecture: Architecture
    normalisation: Normalisation
    schedule: Schedule
    seed: int
    members: int


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One trained network.

    Attributes:
        weights: float32 arrays by parameter name.
        train_mae_ev_per_atom: mean loss over the last epoch.
        holdout_ev_per_atom: predictions of the hold-out graphs at their own volume, [n_holdout].
    """

    weights: dict[str, NDArray[np.float32]]
    train_mae_ev_per_atom: float
    holdout_ev_per_atom: NDArray[np.float64]


def train_members(
    plan: Plan,
    graphs: GraphSet,
    e_form_ev_per_atom: NDArray[np.float64],
    holdout: GraphSet,
    base: Sequence[dict[str, NDArray[np.float32]]] | None,
    scratch: Path,
    processes: int,
    progress: Progress,
    stage: str,
) -> list[Member]:
    """Train all members, `processes` at a time (0: one a core).

    Args:
        graphs: training graphs with edges up to cutoff x `schedule.reach`; [n].
        e_form_ev_per_atom: targets, [n].
        holdout: graphs at the natural volume that no member trains on.
        base: weights to begin with, one a member; None begins at random.
        scratch: an existing directory in which a job directory is made, and removed at the end.
        stage: name under which progress is told.

    Raises:
        GnomeLiteError: if a child fails.
    """
    from safetensors.numpy import load_file, save_file

    with tempfile.TemporaryDirectory(prefix=".training-", dir=scratch) as name:
        job = Path(name)
        save_file({**_as("train", graphs), **_as("holdout", holdout), "targets": e_form_ev_per_atom}, job / "data")
        for i, weights in enumerate(base or ()):
            save_file(weights, job / f"base-{i}")
        (job / "plan.json").write_text(json.dumps({**asdict(plan), "from_base": base is not None}))
        maes = _run_children(job, plan, processes, progress, stage)
        return [
            Member(load_file(job / f"weights-{i}"), mae, load_file(job / f"holdout-{i}")["e_form_ev_per_atom"])
            for i, mae in enumerate(maes)
        ]


def _run_children(job: Path, plan: Plan, processes: int, progress: Progress, stage: str) -> list[float]:
    """Last epoch's loss of each member."""
    news: queue.Queue[tuple[int, int, float] | None] = queue.Queue()
    children: list[subprocess.Popen[str]] = []
    stopping = threading.Event()

    def run(member: int) -> float:
        loss = np.inf
        with open(job / f"stderr-{member}", "w+", encoding="utf-8", errors="replace") as stderr:
            with _start(job, member, stderr.fileno()) as child:
                children.append(child)
                if stopping.is_set():
                    child.kill()
                assert child.stdout is not None
                for line in child.stdout:
                    epoch, loss = int(line.split()[0]), float(line.split()[1])
                    news.put((member, epoch, loss))
                status = child.wait()
            if status != 0:
                stderr.seek(0)
                last = (stderr.read().strip().splitlines() or ["no message"])[-1]
                raise GnomeLiteError(f"training of ensemble member {member} ended with status {status}: {last}")
        return loss

    total, done = plan.members * plan.schedule.epochs, [0] * plan.members
    with ThreadPoolExecutor(min(processes or os.cpu_count() or 1, plan.members)) as pool:
        futures: list[Future[float]] = [pool.submit(run, member) for member in range(plan.members)]
        for future in futures:
            future.add_done_callback(lambda _: news.put(None))
        try:
            ended = 0
            while ended < plan.members:
                item = news.get()
                if item is None:
                    ended += 1
                    failed = [f for f in futures if f.done() and f.exception() is not None]
                    if failed:
                        failed[0].result()
                    continue
                done[item[0]] = item[1]
                progress(stage, sum(done), total, f"{1000 * item[2]:.0f} meV/atom")
        finally:
            stopping.set()
            for future in futures:
                future.cancel()
            for child in children:
                if child.poll() is None:
                    child.kill()
    return [future.result() for future in futures]


def _start(job: Path, member: int, stderr: int) -> subprocess.Popen[str]:
    import gnome_lite

    here = str(Path(gnome_lite.__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH", "")) if p)
    # -P: the user's working directory is no place to import from.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gnome_lite.predict.train", str(job), str(member)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )


def main(job: Path, member: int) -> None:
    """The child: train one member of the job."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch
    from safetensors.numpy import load_file, save_file

    from gnome_lite.predict.ensemble import load_network
    from gnome_lite.predict.fit import Schedule, fit
    from gnome_lite.predict.network import Architecture, GraphTensors, Normalisation, StructuralNetwork

    torch.set_num_threads(1)
    plan = json.loads((job / "plan.json").read_text())
    architecture, schedule = Architecture(**plan["architecture"]), Schedule(**plan["schedule"])
    data = load_file(job / "data")
    torch.manual_seed(1000 * plan["seed"] + member)
    network = StructuralNetwork(architecture, Normalisation(**plan["normalisation"]))
    if plan["from_base"]:
        load_network(network, load_file(job / f"base-{member}"))
    last = [float("inf")]

    def tell(epoch: int, loss: float) -> None:
        last[0] = loss
        print(epoch, loss, flush=True)

    fit(network, _from("train", data), data["targets"], architecture.cutoff_ang, schedule, (plan["seed"], member), tell)
    holdout = _from("holdout", data)
    with torch.inference_mode():
        parts = [
            network(GraphTensors.of(holdout.take(index))).numpy()
            for index in np.array_split(np.arange(len(holdout)), max(1, len(holdout) // 64))
            if len(index)
        ]
    e_form = np.concatenate([np.empty(0), *parts])
    save_file({"e_form_ev_per_atom": e_form}, job / f"holdout-{member}")
    save_file({k: v.numpy() for k, v in network.state_dict().items()}, job / f"weights-{member}")


def _end_with_parent() -> None:
    """Nothing is ever written to a child's standard input: it ends when the parent does."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held when this process ends
    os._exit(1)


def _as(prefix: str, graphs: GraphSet) -> dict[str, NDArray[np.generic]]:
    return {f"{prefix}.{name}": np.ascontiguousarray(array) for name, array in graphs.arrays().items()}


def _from(prefix: str, data: dict[str, NDArray[np.generic]]) -> GraphSet:
    return GraphSet(**{name: data[f"{prefix}.{name}"] for name in GraphSet.__dataclass_fields__})  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)  # all is written; taking torch down in order would cost a second
