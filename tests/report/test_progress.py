from __future__ import annotations

import io

from rich.console import Console

from gnome_lite.report.progress import PlainProgress, bar_progress, progress_on


def test_plain_lines_are_throttled_but_never_miss_start_and_end() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=5.0, clock=lambda: now[0])
    progress("verify", 0, 0, "round 1")
    for i in range(1, 29):
        now[0] += 1.0
        progress("verify", i, 28, "NaCl")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "verify    round 1"
    assert lines[-1] == "verify    28/28 NaCl"
    assert [line.split()[1] for line in lines[1:]] == ["5/28", "10/28", "15/28", "20/28", "25/28", "28/28"]


def test_a_stream_that_is_no_terminal_gets_no_control_codes() -> None:
    stream = io.StringIO()
    with progress_on(stream) as progress:
        progress("predict", 1, 2, "[bold]x")
    assert stream.getvalue() == "predict   1/2 [bold]x\n"


def test_bars_leave_a_line_for_each_finished_stage() -> None:
    stream = io.StringIO()
    with bar_progress(Console(file=stream, force_terminal=True, width=100, no_color=True)) as progress:
        progress("generate", 0, 0, "")
        progress("generate", 40, 40, "129 made")
        progress("verify", 3, 28, "[odd] note")
    text = stream.getvalue()
    assert "generate  40/40 129 made" in text
    assert "verify    3/28 [odd] note" in text
