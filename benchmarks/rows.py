"""What a benchmark returns, how it is timed, and where the real DFT data lie."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its peer's, measured in the same run.

    Attributes:
        ratio: how many times better ours is (speed), or peer - ours in the figure's unit (differences).
        target: what the project promised, in the terms of `ratio` or of `ours`; None = reported only.
    """

    name: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    target: str = ""
    ok: bool | None = None


def speed_row(name: str, unit: str, ours: float, peer: float, peer_name: str, at_least: float | None = None) -> Row:
    """Return the row of two rates (higher is better); a peer that made nothing has no ratio."""
    ratio = ours / peer if peer else None
    if at_least is None:
        return Row(name, unit, ours, peer, peer_name, ratio)
    return Row(name, unit, ours, peer, peer_name, ratio, f">= {at_least:g}x", ratio is None or ratio >= at_least)


def missing(name: str, peer: str, unit: str = "", ours: float = float("nan")) -> Row:
    """Return the row of a figure whose peer is not installed here."""
    return Row(name, unit, ours, None, f"{peer} not installed", None)


def median_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Median wall seconds of a few calls."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def data_dir() -> Path:
    """Directory of the DFT-labelled crystals.

    Raises:
        FileNotFoundError: if it is not there.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", default))
    if not path.is_dir():
        raise FileNotFoundError(f"no benchmark data in {path}: set GNOME_LITE_BENCHMARK_DATA")
    return path
