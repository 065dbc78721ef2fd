from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from samples.small_campaign import report

from gnome_lite.core.records import RoundReport
from gnome_lite.report.tables import FIGURES, causes, round_markdown, round_rows, round_table

REPORTS = [report(1), replace(report(2), hit_rate=0.5, control_hit_rate=0.25, daf=2.0, mae_ev_per_atom=0.0414)]


def test_the_columns_that_a_run_must_show_are_there() -> None:
    names = [f.name for f in FIGURES]
    for name in (
        "candidates", "gated", "duplicates", "screened", "verified", "failed", "stable", "novel", "hits", "hit rate",
        "control hit rate", "DAF", "MAE", "calibration error",
    ):  # fmt: skip
        assert name in names


def test_rates_of_nothing_are_not_zero() -> None:
    first, second = round_rows(REPORTS)
    assert (first["control hit rate"], first["DAF"]) == ("-", "-")
    assert (second["hit rate"], second["control hit rate"], second["DAF"], second["MAE"]) == ("50%", "25%", "2.0", "41")


def test_terminal_table_fits_80_columns() -> None:
    console = Console(width=80, record=True, force_terminal=False)
    console.print(round_table([replace(report(i), generated=12345) for i in range(1, 4)], title="Campaign first"))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "12345" in text
    assert "control hit rate" in text
    assert "timeout 3" in text


def test_many_rounds_show_the_last_ones() -> None:
    table = round_table([report(i) for i in range(1, 31)])
    assert [c.header for c in table.columns][1:-1] == [str(i) for i in range(23, 31)]


def test_markdown_is_a_rectangular_table_with_the_same_figures() -> None:
    lines = round_markdown(REPORTS).strip().splitlines()
    assert {line.count("|") for line in lines} == {5}
    assert len(lines) == 2 + len(FIGURES)
    assert "| verified | 5 | 5 |" in lines[2 + [f.name for f in FIGURES].index("verified")]


def test_what_higher_levels_confirm_is_below_the_table() -> None:
    judged = [report(1), replace(report(2), confirmed={"r2scan": (5, 6), "gpaw": (0, 0)})]
    assert "confirmed at r2scan: 5 of 6 (83%)" in round_markdown(judged)
    assert "confirmed at r2scan: 5 of 6 (83%)" in str(round_table(judged).caption)
    assert "gpaw" not in round_markdown(judged), "nothing was judged there"


def test_causes_are_summed_most_frequent_first() -> None:
    def failures(r: RoundReport) -> dict[str, int]:
        return dict(r.failures)

    reports = [replace(report(1), failures={"timeout": 1, "crashed": 2}), replace(report(2), failures={"timeout": 2})]
    assert causes(reports, failures) == "timeout 3, crashed 2"
    assert causes([], failures) == ""
