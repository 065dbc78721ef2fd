"""Training of an ensemble: each member in a child process of its own, with one torch thread.

The parent writes inputs and plan into a job directory and starts `python -m gnome_lite.predict.train DIR MEMBER`
once a member; the child prints a line an epoch and leaves its weights there. Everything that passes is
safetensors or JSON. A child whose standard input closes ends itself, so none outlives a killed parent. The job
directory is named by what is trained: the same training, asked for again after a kill, goes on from each
member's last whole epoch.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.errors import GnomeLiteError
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


def train_members(
    plan: Plan,
    inputs: Inputs,
    e_form_ev_per_atom: NDArray[np.float64],
    holdout: Inputs,
    holdout_ev_per_atom: NDArray[np.float64],
    base: Sequence[dict[str, NDArray[np.float32]]] | None,
    scratch: Path,
    job_name: str,
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
        scratch: an existing directory in which a job directory is made, and removed when all is done.
        job_name: the same for the same training.
        stage: name under which progress is told.

    Raises:
        GnomeLiteError: if a child fails.
    """
    from safetensors.numpy import load_file, save_file

    job = scratch / f".training-{job_name}"
    job.mkdir(exist_ok=True)
    if not (job / "plan.json").exists():
        targets = {"train.targets": e_form_ev_per_atom, "holdout.targets": holdout_ev_per_atom}
        save_file({**_as("train", inputs), **_as("holdout", holdout), **targets}, job / "data")
        for i, weights in enumerate(base or ()):
            save_file(weights, job / f"base-{i}")
        partial = job / "plan.json.part"
        partial.write_text(json.dumps({**asdict(plan), "from_base": base is not None}))
        partial.replace(job / "plan.json")
    try:
        _run_children(job, plan, processes, progress, stage)
    except GnomeLiteError:  # it would fail again; a kill, in contrast, leaves the job to be gone on with
        shutil.rmtree(job)
        raise
    members = []
    for i in range(plan.members):
        done = load_file(job / f"done-{i}")
        history = [(float(loss), float(error)) for loss, error in done.pop("history")]
        e_form = done.pop("holdout_ev_per_atom")
        members.append(Member({k.removeprefix("weights."): v for k, v in done.items()}, history, e_form))
    shutil.rmtree(job)
    return members


def _run_children(job: Path, plan: Plan, processes: int, progress: Progress, stage: str) -> None:
    """Until each member has left its file `done-...`."""
    news: queue.Queue[tuple[int, int, float] | None] = queue.Queue()
    children: list[subprocess.Popen[str]] = []
    stopping = threading.Event()

    def run(member: int) -> None:
        if (job / f"done-{member}").exists():
            return
        with open(job / f"stderr-{member}", "w+", encoding="utf-8", errors="replace") as stderr:
            with _start(job, member, stderr.fileno()) as child:
                children.append(child)
                if stopping.is_set():
                    child.kill()
                assert child.stdout is not None
                for line in child.stdout:
                    news.put((member, int(line.split()[0]), float(line.split()[1])))
                status = child.wait()
            if status != 0:
                stderr.seek(0)
                last = (stderr.read().strip().splitlines() or ["no message"])[-1]
                raise GnomeLiteError(f"training of ensemble member {member} ended with status {status}: {last}")

    total, done = plan.members * plan.schedule.epochs, [0] * plan.members
    with ThreadPoolExecutor(min(processes or os.cpu_count() or 1, plan.members)) as pool:
        futures: list[Future[None]] = [pool.submit(run, member) for member in range(plan.members)]
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

    from gnome_lite.predict.fit import Schedule, evaluate, fit
    from gnome_lite.predict.kinds import architecture_of, load_weights, network_of
    from gnome_lite.predict.network import Architecture, Normalisation

    torch.set_num_threads(1)
    plan = json.loads((job / "plan.json").read_text())
    architecture, schedule = architecture_of(plan["architecture"]), Schedule(**plan["schedule"])
    data = load_file(job / "data")
    torch.manual_seed(1000 * plan["seed"] + member)
    network = network_of(architecture, Normalisation(**plan["normalisation"]))
    if plan["from_base"]:
        load_weights(network, load_file(job / f"base-{member}"))
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
        lambda epoch, loss: print(epoch, loss, flush=True),
        job / f"state-{member}",
    )
    done = {f"weights.{k}": v.cpu().numpy() for k, v in network.state_dict().items()}
    done |= {"history": np.array(history), "holdout_ev_per_atom": evaluate(network, holdout)}
    save_file(done, job / f"done-{member}.part")
    (job / f"done-{member}.part").replace(job / f"done-{member}")


def _end_with_parent() -> None:
    """Nothing is ever written to a child's standard input: it ends when the parent does."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held when this process ends
    os._exit(1)


def _as(prefix: str, inputs: Inputs) -> dict[str, NDArray[np.generic]]:
    return {f"{prefix}.{name}": np.ascontiguousarray(array) for name, array in inputs.arrays().items()}


def _from(prefix: str, data: dict[str, NDArray[np.generic]]) -> Inputs:
    from gnome_lite.predict.kinds import inputs_from

    start = f"{prefix}."
    return inputs_from(
        {k.removeprefix(start): v for k, v in data.items() if k.startswith(start) and k != f"{start}targets"}
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)  # all is written; taking torch down in order would cost a second
