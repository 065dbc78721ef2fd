"""When to end a campaign: by hit rate, expected hit rate and novelty of its last rounds."""

from __future__ import annotations

from collections.abc import Sequence

from gnome_lite.config import Stop
from gnome_lite.core.records import RoundReport


def reason_to_stop(reports: Sequence[RoundReport], config: Stop) -> str:
    """Return why a campaign should end after these rounds, "" where it should go on.

    One poor round may be bad luck or a network that has yet to learn; `config.patience` of them in a row are not.
    A round is poor where

    - few of the chosen candidates were hits *and* the networks had expected few; or
    - hardly any of the generated candidates were new.

    Args:
        reports: reports of all rounds so far, in order.
        config: limits.
    """
    if not config.patience or len(reports) < config.patience:
        return ""
    last = reports[-config.patience :]
    stale, poor = [_is_stale(r, config) for r in last], [_is_poor(r, config) for r in last]
    if not all(s or p for s, p in zip(stale, poor, strict=True)):
        return ""
    rounds = f"in {len(last)} rounds" if len(last) > 1 else "in the last round"
    if all(poor):
        return f"hit rate and expected hit rate below {config.hit_rate:g} {rounds}"
    if all(stale):
        return f"less than {config.min_new_fraction:g} of what was generated was new {rounds}"
    return f"few hits found or expected, or few new candidates, {rounds}"


def _is_poor(report: RoundReport, config: Stop) -> bool:
    """Return whether hit rate and expected hit rate are low; False where nothing was chosen."""
    rates = (report.hit_rate, report.expected_hit_rate)
    return all(rate is not None and rate < config.hit_rate for rate in rates)


def _is_stale(report: RoundReport, config: Stop) -> bool:
    passed = report.generated - report.gated
    return report.generated == 0 or (report.kept is not None and report.kept < config.min_new_fraction * passed)
