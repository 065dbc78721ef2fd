"""A tiny real campaign that kills itself (SIGKILL) at a named point, in the small world of `small_world`.

Usage: killed.py HOME LEDGER POINT, with POINT one of
    none                  run to the end
    STEP:ROUND            after the step wrote its rows, before it is marked as finished
    verification:N        after the N-th acknowledged verification of this process
Every acknowledged verification is written to LEDGER, outside the store.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from gnome_lite.assemble import assemble
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.config import CampaignConfig
from gnome_lite.settings import Settings

TINY = CampaignConfig.model_validate(
    {
        "name": "tiny",
        "rounds": 2,
        "space": {"elements": ["Li", "Na", "K", "F", "Cl", "O", "S"], "max_elements": 3},
        "generate": {"candidates": 40, "max_atoms": 4},
        "predict": {"members": 2, "width": 16, "epochs": 2, "retrain_epochs": 1, "replay_buffer": 200, "processes": 1},
        "select": {"budget": 4, "control": 1},
        "verify": {"processes": 1},
    }
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: str, results_log: str, point: str) -> None:
    stages = assemble(TINY, Settings(home=Path(home)))
    store, (what, _, number) = stages.store, point.partition(":")
    finish, add_verification = store.finish, store.add_verification
    acknowledged = 0

    def finish_or_die(campaign, round, stage, figures):
        if (what, number) == (stage, str(round)):
            die()
        finish(campaign, round, stage, figures)

    def add_and_tell(campaign, round, verification):
        nonlocal acknowledged
        add_verification(campaign, round, verification)
        with open(results_log, "a") as file:
            file.write(f"{verification.candidate_id}\n")
        acknowledged += 1
        if (what, number) == ("verification", str(acknowledged)):
            die()

    store.finish, store.add_verification = finish_or_die, add_and_tell  # type: ignore[method-assign]
    run_campaign(stages)


if __name__ == "__main__":
    main(*sys.argv[1:])
