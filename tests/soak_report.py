"""Writes docs/reliability.md: each promise, its tests, and what came of their full counts.

`make soak` ends with it; `python tests/soak_report.py` alone takes seconds and runs no test.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from soak import RESULTS, facts_of, finished, promise_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
PROMISES = {
    1: "kill -9 anywhere: what was acknowledged is kept, nothing is half-written, no verification is repeated more "
    "than once, the campaign goes on by itself",
    2: "campaigns on one store never keep a material twice nor spoil a hull",
    3: "a dead holder is released: within 1 s on one host, within 30 s on PostgreSQL",
    4: "a full disk: a clear error, nothing half-written, work goes on after there is space",
    5: "a bad checkpoint never loads, not even partly, and runs no code",
    6: "any structure file gives a valid structure or a typed error, in bounded time and memory",
    7: "keys never leave memory",
    8: "nothing non-finite or unphysical is called stable or trained on",
    9: "a hang, a segfault or lack of memory costs one candidate",
    10: "a loss of the network never yields a part of a hull",
    11: "an older store opens or migrates after a backup, a newer one is refused, and there is nothing in between",
    12: "steps of the clock steal no lock and reorder nothing",
    13: "a million materials stay usable: look-up p95 < 5 ms, < 50 ms beside a writer",
    14: "the HTTP API is read-only and bounded",
}
WITHOUT = {14: "there is no server yet"}
"""Why a promise has no test."""
HEAD = """# Reliability

What gnome_lite promises, the tests that show it, and what came of their full counts. Each test runs with a small
count in `make test`. `make soak` runs the full counts, keeps each result in `tests/{results}` and writes this page;
interrupted, or on another machine, it goes on with what is missing. To repeat a test, delete its lines there.

| promise | test | count | result | time | date and version |
|---|---|---|---|---|---|
"""


class Collector:
    """A pytest plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def collected(where: Path, plugins: Sequence[object] = ()) -> list[pytest.Item]:
    """Return all tests of a file or folder that name a promise, of small and of full counts."""
    files = [where] if where.is_file() else [f for f in where.rglob("test_*.py") if "Promise " in f.read_text("utf-8")]
    collector = Collector()
    with contextlib.redirect_stdout(io.StringIO()):
        options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-m", "soak or not soak"]
        pytest.main([*options, *map(str, sorted(files))], [collector, *plugins])
    return [item for item in collector.items if promise_of(item) is not None]


def table(items: Iterable[pytest.Item], results: Sequence[dict[str, Any]]) -> str:
    """Return the rows of the page, by promise and test."""
    tests: dict[tuple[int, str], list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(((promise_of(item) or (0, ""))[0], item.nodeid.partition("[")[0]), []).append(item)
    lines = []
    for number, promise in PROMISES.items():
        mine = sorted(test for test in tests if test[0] == number)
        lines += [
            row(f"{number}. {promise}" if test == mine[0] else f"{number}.", test[1], tests[test], results)
            for test in mine
        ]
        if not mine:
            lines.append(f"| {number}. {promise} | {WITHOUT.get(number, 'no test names it yet')} | - | - | - | - |")
    return "\n".join(lines)


def row(promise: str, test: str, items: Sequence[pytest.Item], results: Sequence[dict[str, Any]]) -> str:
    """Return the row of one test, all parts of its full count together."""
    says, file = (promise_of(items[0]) or (0, ""))[1], test.partition("::")[0]
    name = f"{says}: [{Path(file).stem}](../{file})"
    known = items[0].get_closest_marker("xfail")
    falls = "" if known is None else f"**{known.kwargs['reason']}**"
    parts = [facts_of(item) for item in items if item.get_closest_marker("soak") is not None]
    if not parts:
        return f"| {promise} | {name} | on every run | {falls or 'held'} | - | - |"
    wanted = {(part["test"], part["count"]) for part in parts}
    ran = [r for r in results if (r["test"], r["count"]) in wanted]
    done, full = sum(r["count"] for r in ran), sum(part["count"] for part in parts)
    fell = falls or "**fell**" if any(r["outcome"] != "passed" for r in ran) else ""
    result = fell or ("held" if done == full else "held so far" if ran else falls or "not run")
    minutes = f"{sum(r['seconds'] for r in ran) / 60:.1f} min" if ran else "-"
    when = ", ".join(sorted({f"{r['date']}, {r['version']}" for r in ran})) or "-"
    count = f"{done:,} of {full:,} {parts[0]['what']}"
    return f"| {promise} | {name} | {count} | {result} | {minutes} | {when} |"


def page(items: Iterable[pytest.Item], results: Sequence[dict[str, Any]]) -> str:
    """Return the whole page."""
    machines = sorted({r["machine"] for r in results})
    where = "".join(f"\nRun on {machine}.\n" for machine in machines)
    return HEAD.format(results=RESULTS.name) + table(items, results) + "\n" + where


if __name__ == "__main__":
    os.chdir(ROOT)
    PAGE.write_text(page(collected(ROOT / "tests"), list(finished())), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
