"""Counted trials of the reliability promises: a few on every run, all of them with `make soak`.

A test of a promise has a docstring that begins "Promise 4: ..." and takes its trials from `counted`. The outcome of
each part that ran in full is kept in `soak_results.jsonl`, so that a run that was interrupted, or another machine,
goes on with what is missing. `soak_report.py` makes the table of the documentation from it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import gnome_lite

RESULTS = Path(__file__).with_name("soak_results.jsonl")
PROMISE = re.compile(r"Promise (\d+): (.+)")


def counted(small: int, full: int, what: str, parts: int = 1) -> pytest.MarkDecorator:
    """Give a test its `trials`, a range: the first `small` ones always, all `full` of them in `parts` when soaking.

    Args:
        what: what is counted, in the plural, e.g. "kills".
        parts: pieces that the full count is done and recorded in.
    """
    edges = [full * k // parts for k in range(parts + 1)]
    whole = [
        pytest.param(range(edges[k], edges[k + 1]), marks=pytest.mark.soak(what), id=f"{k + 1} of {parts}")
        for k in range(parts)
    ]
    return pytest.mark.parametrize("trials", [pytest.param(range(small), id="few"), *whole])


def promise_of(item: pytest.Item) -> tuple[int, str] | None:
    """Return the number of the promise that a test is of and what it shows, None for other tests."""
    found = PROMISE.match(getattr(getattr(item, "function", None), "__doc__", None) or "")
    return (int(found[1]), found[2].rstrip(".")) if found else None


def finished() -> Iterator[dict[str, Any]]:
    """Yield the last result of each part, as recorded."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    yield from {row["test"]: row for row in map(json.loads, lines)}.values()


def facts_of(item: pytest.Item) -> dict[str, Any]:
    """Return what is recorded of a part before it has run: promise, test, count and what was counted."""
    found, soak = promise_of(item), item.get_closest_marker("soak")
    trials = getattr(item, "callspec", None) and item.callspec.params.get("trials")
    return {
        "promise": found[0] if found else None,
        "test": item.nodeid,
        "count": len(trials) if trials else 1,
        "what": soak.args[0] if soak is not None and soak.args else "runs",
    }


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Pass over parts that have been done in full, and let reports carry what is recorded of the others."""
    done = {(row["test"], row["count"]): row["date"] for row in finished() if row["outcome"] == "passed"}
    for item in items:
        if promise_of(item) is not None and item.get_closest_marker("soak") is not None:
            facts = facts_of(item)
            item.user_properties.append(("soak", facts))
            if date := done.get((facts["test"], facts["count"])):
                item.add_marker(pytest.mark.skip(reason=f"held on {date}: delete its line in {RESULTS.name} to repeat"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record a part that has run; with several processes, in the first of them only."""
    facts = dict(report.user_properties).get("soak")
    known_to_fall = report.skipped and hasattr(report, "wasxfail")
    not_run = report.when != "call" or (report.skipped and not known_to_fall)
    if not_run or facts is None or "PYTEST_XDIST_WORKER" in os.environ:
        return
    ran = {"outcome": "failed" if known_to_fall else report.outcome, "seconds": round(report.duration, 1)}
    where = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "version": version()}
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts | ran | where, ensure_ascii=False, separators=(",", ":")) + "\n")


def machine() -> str:
    """Return the machine in a few words: cores, processor, Python and SQLite."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.exists() else []
    processor = names[0] if names else platform.machine()
    return f"{os.cpu_count()} × {processor}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def version() -> str:
    """Return the version of the package, with the commit where there is one."""
    command = ["git", "-C", str(RESULTS.parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{gnome_lite.__version__} {commit}".strip()
