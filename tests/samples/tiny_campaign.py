"""A whole campaign of a second: alloys by EMT, relaxed and learnt from in one process; the rest is as shipped.

`samples.fork_server` imports this once and then forks a process for each campaign: a kill and the restart after it
cost what the campaign itself does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.calculators.emt import EMT
from pymatgen.util import provenance
from sqlalchemy import Engine, event

from gnome_lite.assemble import make_gate, make_mix, make_novelty, open_store
from gnome_lite.campaign.acquisition import BatchAcquisition
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.campaign.stages import FurtherParents, Stages
from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal, CrystalBatch, symbol
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.predict import build, checkpoint
from gnome_lite.predict.fit import evaluate, fit
from gnome_lite.predict.kinds import Inputs, load_weights, network_of
from gnome_lite.predict.predictor import EnsemblePredictor
from gnome_lite.predict.train import Member, Plan
from gnome_lite.settings import Settings
from gnome_lite.sources.reference_files import write_references
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.relax import relax

METALS = (13, 28, 29, 46, 47, 79)
CONFIG = CampaignConfig.model_validate(
    {
        "name": "tiny",
        "rounds": 2,
        "space": {"elements": [symbol(z) for z in METALS], "max_elements": 2},
        "generate": {"candidates": 10, "max_atoms": 4, "mix": {"intermetallic": 1.0}, "threshold": 1e-6},
        "gates": {"charge_balance": "off"},
        "predict": {"members": 1, "width": 8, "epochs": 2, "retrain_epochs": 1, "processes": 1},
        "select": {"budget": 3, "control": 1},
        "stop": {"patience": 0},
        "verify": {"calculator": "emt", "max_steps": 60, "processes": 1},
        "expert": {"steps": 1},
    }
)
WRITES = (
    "begin", "add_model", "add_candidates", "add_predictions", "add_selection", "add_verification", "add_verdicts",
    "add_report", "finish",
)  # fmt: skip
"""Every method of the store by which a campaign changes it."""
CHECKPOINT = "checkpoint"
RENAMED = ("os.rename", CHECKPOINT)


def cubic(numbers: Sequence[int], a: float) -> Crystal:
    """The elements on the sites of a face-centred (four) or body-centred (two) cubic cell."""
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]] if len(numbers) == 4 else [[0] * 3, [0.5] * 3]
    return Crystal.make(list(numbers), sites, a * np.eye(3))


@lru_cache
def references() -> PhaseSet:
    """Elements, and alloys of some pairs, relaxed by EMT."""
    crystals = [cubic([z] * 4, 4.0) for z in METALS]
    for a, b in list(combinations(METALS, 2))[::2]:
        crystals += [cubic([a, b, b, b], 3.9), cubic([a, b], 3.1)]
    relaxed = [relax(c, EMT(), max_steps=100) for c in crystals]
    return PhaseSet.make(
        [
            Phase(f"ref-{i:02}", r.crystal, r.energy_ev, "emt", "EMT", "CC0")
            for i, r in enumerate(relaxed)
            if r.failure is None
        ]
    )


def note(home: Path, what: str, name: str) -> None:
    """Write a line into the ledger of a home, outside its store."""
    with home.with_suffix(".ledger").open("a") as file:
        file.write(f"{what} {name}\n")


class References:
    """A `pipeline.Source`."""

    def load(self) -> PhaseSet:
        return references()


class RelaxedHere:
    """A `pipeline.Verifier` without child processes, that writes into the ledger what it begins."""

    level = "emt"

    def __init__(self, ledger: Callable[[str, str], None]) -> None:
        self._ledger = ledger

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        for c in candidates:
            self._ledger("begun", c.id)
            end = relax(c.crystal, EMT(), max_steps=CONFIG.verify.max_steps)
            numbers = (end.energy_ev, end.max_force_ev_per_ang, end.n_steps, end.converged, self.level, end.seconds)
            yield Verification(c.id, end.crystal, *numbers, end.failure, end.detail)


def trained_here(
    plan: Plan, inputs: Inputs, targets: Any, held: Inputs, held_targets: Any, base: Any, folder: Path, *_: Any
) -> list[Member]:
    """`train.train_members` without child processes, resumed after each epoch as theirs."""
    folder.mkdir(exist_ok=True)
    made = []
    for member in range(plan.members):
        torch.manual_seed(1000 * plan.seed + member)
        network = network_of(plan.architecture, plan.normalisation)
        if base is not None:
            load_weights(network, base[member])
        history = fit(
            network, inputs, targets, (held, held_targets), getattr(plan.architecture, "cutoff_ang", 0.0),
            plan.schedule, (plan.seed, member), lambda epoch, loss: None, folder / f"state-{member}",
        )  # fmt: skip
        weights = {name: value.numpy() for name, value in network.state_dict().items()}
        made.append(Member(weights, history, evaluate(network, held)))
    return made


def make_stages(home: Path, config: CampaignConfig = CONFIG, url: str | None = None) -> Stages:
    """The campaign of a home; what is begun and what is acknowledged is noted in `home.ledger`."""
    settings, ledger = Settings(home=home, database_url=url), partial(note, home)
    stages = Stages(
        config=config,
        source=References(),
        candidates=make_mix(config),
        further_parents=FurtherParents(CrystalBatch.empty(), (), {}),
        gate=make_gate(config),
        novelty=make_novelty(),
        predictor=EnsemblePredictor(config.predict, settings.models_dir, None, "emt", expert=config.expert),
        acquisition=BatchAcquisition(config.select),
        verifier=RelaxedHere(ledger),
        build_hull=build_hull,
        store=open_store(settings, create=True),
    )
    add_verification = stages.store.add_verification

    def add_and_tell(campaign: str, round: int, verification: Verification, **more: Any) -> None:
        add_verification(campaign, round, verification, **more)
        ledger("acknowledged", verification.candidate_id)

    stages.store.add_verification = add_and_tell  # type: ignore[method-assign]
    return stages


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FaultPoint:
    """Kills this process the n-th time that it comes to a point; counts how often it comes to each.

    Args:
        point: "before", "inside" (its transaction; of a checkpoint, before its rename) or "after", and what is written;
            "" for none.
    """

    def __init__(self, point: str, n: int) -> None:
        self.when, _, self.name = point.partition(" ")
        self.n, self.met, self.inside = n, Counter[str](), False

    def wrap(self, owner: Any, name: str, called: str) -> None:
        """Let a function of an object or module pass through this point."""
        function = getattr(owner, called)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.met[name] += 1
            here = (self.name, self.n) == (name, self.met[name])
            if here and self.when == "before":
                die()
            self.inside = here and self.when == "inside"
            result = function(*args, **kwargs)
            if here:
                die()
            return result

        setattr(owner, called, wrapped)

    def set(self, stages: Stages) -> None:
        """Set the point in this process, for good."""
        for name in WRITES:
            self.wrap(stages.store, name, name)
        self.wrap(checkpoint, CHECKPOINT, "write")
        event.listen(Engine, "commit", lambda _: die() if self.inside and self.name != CHECKPOINT else None)
        sys.addaudithook(lambda what, _: die() if self.inside and (what, self.name) == RENAMED else None)


def run(home: Path, name: str = "tiny", seed: int = 0, point: str = "", n: int = 1, url: str | None = None) -> None:
    """One process of a campaign, from where the one before was killed; in the end it says what it has passed."""
    stages = make_stages(home, CONFIG.model_copy(update={"name": name, "seed": seed}), url)
    faults = FaultPoint(point, n)
    faults.set(stages)
    run_campaign(stages)
    home.with_suffix(".passed").write_text(json.dumps(faults.met))


def run_flow(home: Path) -> None:
    """The same campaign as a Prefect flow: references from a file, relaxed in child processes."""
    from flows.discovery import discovery

    file = home.with_suffix(".parquet")
    if not file.exists():
        write_references(file, references())
    sources = CONFIG.sources.model_copy(update={"seed": False, "files": (file,)})
    add_verification = SqlStore.add_verification

    def add_and_tell(store: SqlStore, campaign: str, round: int, verification: Verification, **more: Any) -> None:
        add_verification(store, campaign, round, verification, **more)
        note(home, "acknowledged", verification.candidate_id)

    SqlStore.add_verification = add_and_tell  # type: ignore[method-assign]
    discovery(CONFIG.model_copy(update={"sources": sources}).model_dump(mode="json"), str(home))


def warm_up() -> None:
    """Import what is imported late, and train in this process: for good, so in a process of its own only."""
    build.train_members = trained_here  # type: ignore[assignment]
    torch.set_num_threads(1)
    # Whether the references of AFLOW's prototypes are sound BibTeX takes half a minute, and is not what is tested.
    provenance.is_valid_bibtex = lambda reference: True  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as home:
        run_campaign(make_stages(Path(home) / "home"))
