"""Run benchmarks by name (default: all) and print one row a figure."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

os.environ.setdefault("OMP_NUM_THREADS", "1")

NAMES = ("stability", "verification", "prediction", "candidates", "learning")
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}, or a part such as candidates_stream"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the rows here")
    parser.add_argument("--long", action="store_true", help="also what takes more than a few minutes")
    parser.add_argument(
        "--keep", action="store_true", help="write benchmarks/results/NAME.json with command and commit"
    )
    arguments = parser.parse_args()
    parts = {path.stem for path in Path(__file__).parent.glob("*_*.py") if path.stem.split("_")[0] in NAMES}
    unknown = set(arguments.names) - set(NAMES) - parts
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}")
    rows = []
    for name in arguments.names or NAMES:
        measured = []
        try:
            for row in _measure(name, arguments.long):
                measured.append(row)
                peer = "" if row.peer is None else f"  {row.peer_name} {row.peer:.4g}"
                ratio = "" if row.ratio is None else f"  ratio {row.ratio:.3g}"
                verdict = "" if row.ok is None else f"  target {row.target}: {'ok' if row.ok else 'MISSED'}"
                print(f"{row.name}: {row.ours:.4g} {row.unit}{peer}{ratio}{verdict}", flush=True)
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
        rows += measured
        if arguments.keep:
            _keep(name, measured)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1, default=_plain)
    return 0 if all(row.ok is not False for row in rows) else 1


def _measure(name: str, long: bool) -> Iterable[Row]:
    measure = import_module(f"benchmarks.{name}").measure
    return measure(long=long) if "long" in inspect.signature(measure).parameters else measure()


def _keep(name: str, rows: list[Row]) -> None:
    """The last result of each figure, with what it takes to repeat it; those of other parts stay as they are."""
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
    """Of what numpy worked out: a number or bool of Python's."""
    return value.item()


if __name__ == "__main__":
    sys.exit(main())
