"""Run benchmarks by name (default: all) and print one row a figure."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from benchmarks.sizes import Effort

os.environ.setdefault("OMP_NUM_THREADS", "1")

GROUPS: dict[str, tuple[str, ...]] = {
    "stability": ("stability_hull", "stability_store", "stability_uncertainty", "stability_analyses"),
    "store": ("store_reading",),
    "campaign": ("campaign_scale",),
    "seed": ("seed_reported",),
    "verification": (
        "verification_relaxation",
        "verification_levels",
        "verification_batches",
        "verification_sabotage",
        "verification_gates",
        "verification_dft",
        "verification_delta",
    ),
    "prediction": (
        "prediction_seed",
        "prediction_dft",
        "prediction_composition",
        "prediction_speed",
        "prediction_ablation",
    ),
    "candidates": (
        "candidates_substitution",
        "candidates_random",
        "candidates_duplicates",
        "candidates_stream",
        "candidates_recovery",
    ),
    "learning": (
        "learning_replay",
        "learning_climbers",
        "learning_from_little",
        "learning_rediscovery",
        "learning_campaign",
    ),
}
"""Each part is a module of this package with a function `measure(effort)` that returns or yields rows."""
PARTS = tuple(part for parts in GROUPS.values() for part in parts)
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Return 1 if a row missed its target, else 0; figures of a smoke run mean nothing and miss none."""
    arguments = _arguments()
    effort = Effort.SMOKE if arguments.smoke else Effort.LONG if arguments.long else Effort.DEFAULT
    names = [part for name in arguments.names or GROUPS for part in GROUPS.get(name, (name,))]
    rows: list[Row] = []
    with _made_up() if arguments.smoke else contextlib.nullcontext():
        for name in names:
            measured = _run(name, effort)
            rows += measured
            if arguments.keep:
                _keep(name, measured)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1, default=_plain)
    return int(not arguments.smoke and any(row.ok is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(GROUPS)}, or a part such as candidates_stream"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the rows here")
    parser.add_argument("--long", action="store_true", help="also what takes more than a few minutes")
    parser.add_argument(
        "--smoke", action="store_true", help="at the smallest size, on made-up data: does it still run?"
    )
    parser.add_argument(
        "--keep", action="store_true", help="write benchmarks/results/NAME.json with command and commit"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(GROUPS) - set(PARTS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(GROUPS)}")
    if arguments.smoke and (arguments.long or arguments.keep):
        parser.error("the figures of --smoke mean nothing: leave out --long and --keep")
    return arguments


def _made_up() -> contextlib.AbstractContextManager[None]:
    from benchmarks.made_up import made_up_machine

    return made_up_machine()


def _run(name: str, effort: Effort) -> list[Row]:
    """The rows of one part, printed as they come; it ends where data are missing, and says so."""
    measured: list[Row] = []
    started = time.perf_counter()
    try:
        for row in import_module(f"benchmarks.{name}").measure(effort):
            measured.append(row)
            print(_line(row), flush=True)
    except FileNotFoundError as error:
        print(f"{name}: skipped, {error}", file=sys.stderr)
    print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return measured


def _line(row: Row) -> str:
    peer = f"  {row.peer_name}" if row.peer_name else ""
    peer += "" if row.peer is None else f" {row.peer:.4g}"
    ratio = "" if row.ratio is None else f"  ratio {row.ratio:.3g}"
    verdict = "" if row.ok is None else f"  target {row.target}: {'ok' if row.ok else 'MISSED'}"
    return f"{row.name}: {row.ours:.4g} {row.unit}{peer}{ratio}{verdict}"


def _keep(name: str, rows: Sequence[Row]) -> None:
    """Write the last result of each figure, with what it takes to repeat it; those of other parts stay as they are."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "gnome_lite"], capture_output=True, text=True, check=False
    )
    origin = {
        "command": f"python -m benchmarks {' '.join(sys.argv[1:])}",
        "commit": commit + (" with changes" if changed.stdout else ""),
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name.split('_')[0]}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    fresh: dict[tuple[str, str], dict[str, object]] = {}
    subject = ""
    for row in rows:
        subject = subject if row.name.startswith(("the same", "of these")) else row.name
        full_name = row.name if subject == row.name else f"{subject}; {row.name}"
        fresh[full_name, row.peer_name] = asdict(row) | {"name": full_name} | origin
    kept = [fresh.pop((row["name"], row["peer_name"]), row) for row in kept] + list(fresh.values())
    path.write_text(json.dumps(kept, indent=1, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return what numpy worked out as a number or bool of Python's."""
    return value.item()


if __name__ == "__main__":
    sys.exit(main())
