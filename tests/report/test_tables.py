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


KINDS = {
    "new formula": {"novel": 6, "hits": 4},
    "new structure": {"novel": 1, "hits": 1},
    "new to the reported list": {"novel": 0, "hits": 0},
}


def test_what_is_new_about_hits_has_a_row_each_and_the_novel_a_line() -> None:
    """A report of an older version does not tell, which is not zero."""
    reports = [report(1), replace(report(2), by_novelty=KINDS), replace(report(3), by_novelty=KINDS)]
    rows = round_rows(reports)
    assert [row["new formula"] for row in rows] == ["-", "4", "4"]
    assert [row["new structure"] for row in rows] == ["-", "1", "1"]
    assert [row["new to the list"] for row in rows] == ["-", "0", "0"]
    line = "novel: 12 new formulas, 2 new structures of reported formulas"
    assert line in str(round_table(reports).caption)
    assert f"\n{line}\n" in round_markdown(reports)
    assert "novel:" not in round_markdown([report(1)])


def test_what_hulls_rest_on_is_below_the_table() -> None:
    """Of many systems those with the fewest references are named."""
    few = replace(report(1), coverage={"Li-O": (12, 31), "Fe-O": (3, 40)})
    text = round_markdown([few])
    assert "references in Li-O: 12 reported and 31 hypothetical compounds" in text
    many = replace(report(1), coverage={f"Li-X{i}": (i, 0) for i in range(9)})
    caption = str(round_table([many]).caption).splitlines()
    assert [line for line in caption if "Li-X0:" in line]
    assert not [line for line in caption if "Li-X4:" in line]
    assert "and more in 5 further systems" in caption


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
