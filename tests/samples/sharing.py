"""One of two campaigns that run at the same time on one store, of equal seed and settings, run as a process.

Usage: sharing.py HOME NAME PART, with PART "verify" for the one step on a selection that is there, or "campaign". The
store is HOME/store.sqlite or GNOME_LITE_DATABASE_URL. Each relaxation is told to HOME/log, outside the store.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samples.slow_calculator import tell
from samples.small_campaign import LEVEL

from gnome_lite.campaign.context import Context
from gnome_lite.campaign.steps import verify
from gnome_lite.config import CampaignConfig, Verify
from gnome_lite.core.records import Candidate, Verification
from gnome_lite.novelty.novelty import CrystalNovelty
from gnome_lite.pipeline import Verifier
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.verifier import ProcessVerifier

NAMES = ("one", "other")


def meet(home: Path, name: str, where: str) -> None:
    """Wait until both are there; three minutes at most."""
    (home / f"{where}.{name}").touch()
    limit = time.monotonic() + 180
    while not all((home / f"{where}.{n}").exists() for n in NAMES) and time.monotonic() < limit:
        time.sleep(0.005)


def slow(home: Path) -> ProcessVerifier:
    calculator = {"calculator": "samples.slow_calculator:Slow", "calculator_kwargs": {"home": str(home)}}
    verifier = ProcessVerifier(Verify.model_validate({**calculator, "max_steps": 1, "processes": 1}))
    verifier.level = LEVEL
    return verifier


def step_alone(home: Path, name: str) -> None:
    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        if note.startswith("waiting for"):
            (home / "waiting").touch()

    parts: Any = SimpleNamespace(
        store=SqlStore.open(Settings(home=home).store_url), config=CampaignConfig(name=name), verifier=slow(home),
        novelty=CrystalNovelty(), progress=progress,
    )  # fmt: skip
    meet(home, name, "verify")
    verify(Context(parts), 1)


class Told:
    """A verifier that tells the log what it relaxed."""

    def __init__(self, verifier: Verifier, home: Path) -> None:
        self.level, self._verifier, self._home = verifier.level, verifier, home

    def verify(self, candidates: Sequence[Candidate]) -> Iterator[Verification]:
        for outcome in self._verifier.verify(candidates):
            tell(self._home, outcome.candidate_id)
            yield outcome


def campaign(home: Path, name: str) -> None:
    from samples.killed import TINY

    from gnome_lite.assemble import assemble
    from gnome_lite.campaign.runner import run_campaign

    stages = assemble(TINY.model_copy(update={"name": name}), Settings(home=home))
    stages = replace(stages, verifier=Told(stages.verifier, home))
    write = stages.store.add_candidates

    def both_have_candidates(campaign: str, pool: Any, *rest: Any) -> Any:
        meet(home, name, f"candidates-{pool.round}")  # before either can see the other's
        return write(campaign, pool, *rest)

    stages.store.add_candidates = both_have_candidates  # type: ignore[method-assign]
    run_campaign(stages)


if __name__ == "__main__":
    {"verify": step_alone, "campaign": campaign}[sys.argv[3]](Path(sys.argv[1]), sys.argv[2])
