"""When a campaign ends by itself."""

from __future__ import annotations

import pytest

from gnome_lite.campaign.stopping import reason_to_stop
from gnome_lite.config import Stop
from gnome_lite.core.records import RoundReport


def report(hit_rate: float | None, expected: float | None = 0.5, kept: int | None = 100) -> RoundReport:
    return RoundReport(
        round=1, generated=1200, gated=200, duplicates=5, screened=6, verified=5, control=1, failed=1,
        stable=2, novel=2, hits=2, hit_rate=hit_rate, control_hit_rate=None, daf=None,
        mae_ev_per_atom=0.05, calibration_error=0.1, ordering_suspects=0, failures={}, gate_causes={},
        model_id="m", hull_id="h", seconds={}, expected_hit_rate=expected, kept=kept,
    )  # fmt: skip


GOOD, UNLUCKY, POOR, STALE = report(0.4), report(0.0, 0.3), report(0.02, 0.01), report(0.4, kept=9)
NOTHING_CHOSEN = report(None, None)


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        ([], ""),
        ([POOR], ""),
        ([GOOD, GOOD], ""),
        ([POOR, POOR], "hit rate"),
        ([GOOD, POOR, POOR], "hit rate"),
        ([POOR, POOR, GOOD], ""),
        ([POOR, GOOD, POOR], ""),
        ([UNLUCKY, UNLUCKY], ""),
        ([STALE, STALE], "was new"),
        ([STALE, POOR], "or few new"),
        ([NOTHING_CHOSEN, NOTHING_CHOSEN], ""),
    ],
)
def test_two_poor_rounds_in_a_row_end_a_campaign(rounds: list[RoundReport], words: str) -> None:
    reason = reason_to_stop(rounds, Stop())
    assert bool(reason) == bool(words)
    assert words in reason


def test_patience_decides() -> None:
    assert reason_to_stop([POOR], Stop(patience=1))
    assert not reason_to_stop([POOR] * 9, Stop(patience=0))
    assert not reason_to_stop([POOR] * 3, Stop(patience=4))


def test_reports_older_than_the_figures_never_stop_a_campaign() -> None:
    assert not reason_to_stop([report(0.0, None, None)] * 5, Stop())
