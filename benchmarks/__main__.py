"""Run benchmarks by name (default: all) and print one row a figure."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module

os.environ.setdefault("OMP_NUM_THREADS", "1")

NAMES = ("hull", "relaxation", "prediction")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", metavar="FILE", help="also write the rows here")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}")
    rows = []
    for name in arguments.names or NAMES:
        measure: Callable[[], list] = import_module(f"benchmarks.{name}").measure
        try:
            for row in measure():
                rows.append(row)
                peer = "" if row.peer is None else f"  {row.peer_name} {row.peer:.4g}"
                ratio = "" if row.ratio is None else f"  ratio {row.ratio:.3g}"
                verdict = "" if row.ok is None else f"  target {row.target}: {'ok' if row.ok else 'MISSED'}"
                print(f"{row.name}: {row.ours:.4g} {row.unit}{peer}{ratio}{verdict}", flush=True)
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1)
    return 0 if all(row.ok is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
