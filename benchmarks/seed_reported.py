"""The seed's reported compounds: what came of the table, and how much of what DFT puts on the hull is there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.labelled import read
from benchmarks.rows import Row, missing
from benchmarks.sizes import Effort, size
from gnome_lite.core.origins import is_reported
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import STABLE_EV_PER_ATOM
from gnome_lite.settings import bundled

LARGEST_CELL, EVERYDAY_TARGET, VOLUME_WITHIN = 44, 0.95, 0.08
ABOVE_HULL = {"mp20_val": "e_above_hull", "mpts52_val": "energy_above_hull"}


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    from gnome_lite.assemble import load_references

    table = bundled("seed", "reported.csv")
    if not table.is_file():
        yield missing("reported compounds", "reported.csv")
        return
    references = load_references()
    yield from _on_the_hull(references)
    with table.open(encoding="utf-8", newline="") as file:
        yield from _as_reported(list(csv.DictReader(file)))
    if most := size("seed_reported.stable", effort):
        for name in ABOVE_HULL:
            yield from _known_to_dft(references, name, most)


def _on_the_hull(references: PhaseSet) -> Iterator[Row]:
    from gnome_lite.stability.hull import build_hull

    reported = references.take([i for i, source in enumerate(references.sources) if is_reported(source)])
    away = build_hull(references).distances(reported.counts, reported.e_form_ev_per_atom)
    for limit in (STABLE_EV_PER_ATOM, 0.05, 0.1):
        name = f"reported compounds ({len(reported)}) at most {1000 * limit:g} meV/atom above the hull"
        yield Row(name, "share", float((away <= limit).mean()), None, "", None)


def _as_reported(rows: list[dict[str, str]]) -> Iterator[Row]:
    from gnome_lite.sources.reported_table import read_table

    relaxed = [r for r in rows if r["e_ev_per_atom"]]
    kept = sum("space group" not in r["remark"] for r in relaxed) / len(relaxed)
    yield Row(f"of {len(rows)} lines of the table relaxed", "share", len(relaxed) / len(rows), None, "", None)
    yield Row("of these, space group kept", "share", kept, None, "", None)
    ratios = np.array([float(r["volume_ratio"]) for r in relaxed if r["volume_ratio"]])
    near = float((np.abs(ratios - 1) <= VOLUME_WITHIN).mean())
    yield Row(f"volume within {VOLUME_WITHIN:.0%} of the reported ({len(ratios)})", "share", near, None, "", None)
    yield Row("the same, median ratio", "", float(np.median(ratios)), None, "", None)
    folder = bundled("seed", "reported.csv").parents[1] / "reported"
    if not folder.is_dir():  # the table itself is no part of the wheel
        return
    groups = {(r["formula"], r["structure_type"]): r["space_group"] for r in relaxed}
    there = {
        (e.crystal.reduced_formula, groups.get((e.formula, e.structure_type.name), "")) for e in read_table(folder)
    }
    yield from _everyday(folder, there)


def _everyday(folder: Path, there: set[tuple[str, str]]) -> Iterator[Row]:
    from gnome_lite.core.crystals import formula_counts, reduced_formula

    with (folder / "everyday.csv").open(encoding="utf-8", newline="") as file:
        wanted = [(reduced_formula(formula_counts(r["formula"])), r["space_group"]) for r in csv.DictReader(file)]
    share = sum(key in there for key in wanted) / len(wanted)
    name, target = f"of {len(wanted)} everyday compounds there in their space group", f">= {EVERYDAY_TARGET:g}"
    yield Row(name, "share", share, None, "", None, target, share >= EVERYDAY_TARGET)


def _known_to_dft(references: PhaseSet, name: str, most: int) -> Iterator[Row]:
    from gnome_lite.assemble import make_novelty

    try:
        crystals = read(name, max_atoms=LARGEST_CELL, stable=ABOVE_HULL[name]).crystals
    except FileNotFoundError:
        yield missing("share of what DFT puts on the hull", name)
        return
    crystals = crystals.take(np.arange(min(most, len(crystals))))
    index = make_novelty().index()
    index.extend(references.ids, references.crystals)
    formulas = set(references.formulas)
    shared = [c for c, f in zip(crystals, crystals.reduced_formulas(), strict=True) if f in formulas]
    same = sum(index.find(c) is not None for c in shared)
    of = f"{name}'s {len(crystals)} crystals on DFT's hull"
    yield Row(f"of {of}: formula in the seed", "share", len(shared) / max(len(crystals), 1), None, "", None)
    yield Row("the same structure in the seed", "share", same / max(len(crystals), 1), None, "", None)
