"""A campaign's rounds as a table: for the terminal, for Markdown, and as rows for an artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from gnome_lite.core.novelty_kinds import NoveltyKind, kinds_in_words
from gnome_lite.core.origins import coverage_in_words
from gnome_lite.core.plain_text import printable
from gnome_lite.core.records import RoundReport

if TYPE_CHECKING:
    from rich.table import Table

NONE = "-"
"""Shown where nothing could be counted: a rate of no crystals is not zero."""

MAX_SYSTEMS = 4
"""Chemical systems whose references are told; of more, those that have the fewest."""


class Figure(NamedTuple):
    """One row of the table: its name, what it counts, and how a report's value is written."""

    name: str
    meaning: str
    text: Callable[[RoundReport], str]


def _rate(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _number(value: float | None, digits: int, factor: float = 1) -> str:
    return NONE if value is None else f"{factor * value:.{digits}f}"


def _kind(kind: NoveltyKind) -> Callable[[RoundReport], str]:
    """Return a function that writes the number of hits of a kind, NONE in reports that do not tell."""
    return lambda report: str(report.by_novelty[kind]["hits"]) if kind in report.by_novelty else NONE


FIGURES: tuple[Figure, ...] = (
    Figure("candidates", "crystals generated", lambda r: str(r.generated)),
    Figure("gated", "refused before any energy", lambda r: str(r.gated)),
    Figure("duplicates", "of references or each other", lambda r: str(r.duplicates)),
    Figure("screened", "predicted near the hull", lambda r: str(r.screened)),
    Figure("verified", "relaxed with the calculator", lambda r: str(r.verified)),
    Figure("control", "of these, drawn at random", lambda r: str(r.control)),
    Figure("failed", "of the verified, no usable energy", lambda r: str(r.failed)),
    Figure("stable", "on the hull (surrogate-stable)", lambda r: str(r.stable)),
    Figure("novel", "no reference and not found before", lambda r: str(r.novel)),
    Figure("hits", "stable and novel", lambda r: str(r.hits)),
    Figure("new formula", "of hits, no reference of its formula", _kind(NoveltyKind.FORMULA)),
    Figure("new structure", "of hits, its formula is reported", _kind(NoveltyKind.STRUCTURE)),
    Figure("new to the list", "of hits, formula only hypothetical", _kind(NoveltyKind.TO_REPORTED)),
    Figure("too deep", "of hits, reference probably missing", lambda r: str(r.too_deep)),
    Figure("new prototypes", "of hits, of no crystal before", lambda r: str(r.new_prototypes)),
    Figure("suspects", "maybe an ordering of a solid solution", lambda r: str(r.ordering_suspects)),
    Figure("hit rate", "hits of those chosen", lambda r: _rate(r.hit_rate)),
    Figure("control hit rate", "hits of the random control", lambda r: _rate(r.control_hit_rate)),
    Figure("DAF", "hit rate / control hit rate", lambda r: _number(r.daf, 1)),
    Figure("MAE", "predicted - verified, meV/atom", lambda r: _number(r.mae_ev_per_atom, 0, 1000)),
    Figure("calibration error", "of P(stable)", lambda r: _number(r.calibration_error, 2)),
    Figure("seconds", "of this round", lambda r: f"{sum(r.seconds.values()):.0f}"),
)


def round_rows(reports: Sequence[RoundReport]) -> list[dict[str, str]]:
    """Return a flat row for each round, for a table artifact."""
    return [{"round": str(r.round), **{f.name: f.text(r) for f in FIGURES}} for r in reports]


def round_table(reports: Sequence[RoundReport], title: str | None = None, last: int = 8) -> Table:
    """Return a Rich table with a column for each of the last rounds, so many that it fits 80 columns."""
    from rich.table import Table

    table = Table(title=printable(title) if title else None, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("round", no_wrap=True)
    shown = reports[-last:]
    for r in shown:
        table.add_column(str(r.round), justify="right", no_wrap=True)
    table.add_column("meaning", style="dim")
    for figure in FIGURES:
        style = "bold" if figure.name in {"hits", "hit rate"} else None
        table.add_row(figure.name, *(figure.text(r) for r in shown), figure.meaning, style=style)
    for name, pick in (
        ("kept of", _of_generators("kept")),
        ("verified of", _of_generators("verified")),
        ("hits of", _of_generators("hits")),
        ("left out", attrgetter("skipped")),
        ("gated by", attrgetter("gate_causes")),
        ("failed by", attrgetter("failures")),
    ):
        if text := causes(reports, pick):
            _add_line(table, f"{name}: {text}")
    for line in (*novel(reports), *covered(reports), *confirmed(reports)):
        _add_line(table, line)
    return table


def novel(reports: Sequence[RoundReport]) -> list[str]:
    """Return a line that tells what is new about the novel crystals of all rounds, none where reports do not tell."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update({kind: counts["novel"] for kind, counts in report.by_novelty.items()})
    return [f"novel: {words}"] if (words := kinds_in_words(total)) else []


def covered(reports: Sequence[RoundReport]) -> list[str]:
    """Return a line for each chemical system of the space: what its hulls rest on; of many, for the poorest."""
    of_space = sorted((reports[-1].coverage if reports else {}).items(), key=lambda item: (*item[1], item[0]))
    lines = [f"references in {printable(system)}: {coverage_in_words(*counts)}" for system, counts in of_space]
    more = len(lines) - MAX_SYSTEMS
    return lines if more <= 0 else [*lines[:MAX_SYSTEMS], f"and more in {more} further systems"]


def confirmed(reports: Sequence[RoundReport]) -> list[str]:
    """Return a line for each higher level: what share of the survivors judged there is on its hull, too."""
    last = reports[-1].confirmed if reports else {}
    return [
        f"confirmed at {printable(level)}: {stable} of {judged} ({stable / judged:.0%})"
        for level, (stable, judged) in sorted(last.items())
        if judged
    ]


def _add_line(table: Table, line: str) -> None:
    table.caption = f"{table.caption}\n{line}" if table.caption else line
    table.caption_justify = "left"


def round_markdown(reports: Sequence[RoundReport]) -> str:
    """Return the same table in Markdown, for artifacts and the README."""
    lines = [("round", *(str(r.round) for r in reports), "meaning"), ("---", *["---:"] * len(reports), "---")]
    lines += [(f.name, *map(f.text, reports), f.meaning) for f in FIGURES]
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    lines_below = (*novel(reports), *covered(reports), *confirmed(reports))
    return rows + "".join(f"\n{line}\n" for line in lines_below)


def causes(reports: Sequence[RoundReport], pick: Callable[[RoundReport], Mapping[str, int]]) -> str:
    """Return causes summed over rounds, most frequent first: "charge 812, distance 40"."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update(pick(report))
    return ", ".join(f"{printable(cause)} {n}" for cause, n in sorted(total.items(), key=lambda kv: (-kv[1], kv[0])))


def _of_generators(figure: str) -> Callable[[RoundReport], Mapping[str, int]]:
    """Return a function that picks one figure of each generator, where it is not 0."""
    return lambda report: {g: n[figure] for g, n in report.by_generator.items() if n.get(figure)}
