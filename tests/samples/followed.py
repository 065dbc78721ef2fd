"""A command that runs a flow of five steps as `gnome-lite run` runs a campaign, each done once: followed.py HOME.

Step 2 takes a minute, unless HOME/go is there. Every step is told to HOME/log; what is in it is not done again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import typer

from gnome_lite.cli.common import local_prefect
from gnome_lite.cli.errors import guarded
from gnome_lite.settings import Settings

app = typer.Typer()


def step(home: Path, name: str) -> dict[str, Any]:
    log, limit = home / "log", time.monotonic() + 60
    if not log.exists() or name not in log.read_text().split("\n"):
        with log.open("a") as file:
            file.write(f"{name}\n")
        while name == "step 2" and not (home / "go").exists() and time.monotonic() < limit:
            time.sleep(0.05)
    return {"done": name}


@app.command()
def run(home: Path) -> None:
    with local_prefect(Settings(home=home), debug=False) as call:
        from functools import partial

        from prefect import flow
        from prefect.artifacts import create_markdown_artifact

        from flows.discovery import as_task, followed

        @flow(name="steps", persist_result=False, retries=0)
        def steps() -> int:
            for k in range(5):
                as_task(f"step {k}", 0, partial(step, home, f"step {k}"))
                if followed():
                    create_markdown_artifact("done", key=f"step-{k}")
            return 5

        print("steps", call(steps))


if __name__ == "__main__":
    sys.exit(guarded(app, sys.argv[1:]))
