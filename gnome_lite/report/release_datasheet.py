"""Datasheet of a release in Markdown: how it was made, what its words mean, whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from gnome_lite.core.plain_text import printable_lines

_SHEET = Template("""\
# Datasheet

Crystals found by gnome_lite, a loop of candidate generation, network prediction, relaxation and convex hull in the
manner of GNoME (Merchant et al., Nature 624, 80 (2023)).

## What "stable" means here

All energies are of one level of theory, **$level**, at 0 K, for ordered crystals without vibrations. A crystal in
`stable_summary.csv` lies at most $stable meV/atom above the hull **$hull** of all entries in `hull_entries.parquet`.
Unless the level is one of DFT it is not a DFT verdict, and it is no proof that the crystal can be made: a phase that is
missing from the entries may lie lower. "Novel" means: not in the reference set. *Novelty* tells in what: *new
formula* (no reference has it), *new structure* (reported compounds have the formula, no reference the structure), *new
to the reported list* (only hypothetical references have the formula or the structure).

## How it was made

$campaigns

References: reference set $references. Crystals near the hull by generator: $generators.
Networks that predicted them: $models.

| | |
|---|---:|
$counts

## Files

| file | what |
|---|---|
| `stable_summary.csv` | crystals on the hull, with the columns of GNoME's release and further ones |
| `near_hull_summary.csv` | further crystals, up to $near meV/atom above the hull |
| `other_levels_summary.csv` | where there are any: verdicts on them at other levels, each on a hull of its own |
| `by_id.zip`, `by_reduced_formula.zip`, `by_composition.zip` | all these, relaxed, as CIF; every site listed |
| `crystals.extxyz` | the same in one file, with their facts |
| `hull_entries.parquet` | all entries of the hull: id, crystal, energy, level, source, licence |
| `release.json` | the figures of this sheet |
| `SHA256SUMS` | of every file: `sha256sum -c SHA256SUMS` |

Energies are in eV/atom, volumes of the cell in Å^3, densities in g/cm^3. *Decomposition Energy Per Atom* is relative to
all other entries (negative: the crystal pushes the hull down by so much); *Products* are entry, formula and fraction of
atoms. *Dimensionality Larsen* is that of bonds by pymatgen's CrystalNN. *Is Train*: the formula falls into the training
share (85 %) of the split by md5 of reduced formulas. There are no band gaps.

## Read it back

A campaign takes this directory as references (`sources.releases = ["DIR"]`), and so do `gnome-lite analyse`,
`synthesis` and `plot` with `--references DIR`. In Python:
`gnome_lite.sources.release_reader.ReleaseSource("DIR").load()`.

## Licences

The crystals found here: $licence. The entries of the reference set keep theirs:

| source | licence | entries |
|---|---|---:|
$sources
$beware""")


def datasheet(facts: Mapping[str, Any]) -> str:
    """Return the datasheet of the facts in `release.json`."""
    campaigns = [
        f"- **{c['name']}**, begun {c['begun_at']}: {c['rounds']} rounds, seed {c['seed']}, by {c['calculator']}"
        for c in facts["campaigns"]
    ]
    licences = facts["licences_of_entries"]
    mind = [n for n in licences if "NC" in n.upper().replace(" ", "-").split("-") or n == "not stated"]
    sheet = _SHEET.substitute(
        level=facts["level"],
        stable=f"{1000 * facts['stable_within_ev_per_atom']:g}",
        near=f"{1000 * facts['near_hull_within_ev_per_atom']:g}",
        hull=facts["hull_id"],
        campaigns="\n".join(campaigns) or "- no campaign of the store had these references",
        references=facts["reference_set_id"],
        generators=", ".join(f"{n} by {name}" for name, n in facts["generators"].items()) or "none",
        models=", ".join(facts["models"]) or "none",
        counts="\n".join(f"| {name} | {n} |" for name, n in facts["counts"].items()),
        licence=facts["licence"],
        sources="\n".join(f"| {source} | {licence} | {n} |" for source, licence, n in facts["sources"]),
        beware=f"\nBefore commercial use, mind the entries under: {', '.join(mind)}.\n" if mind else "",
    )
    return printable_lines(sheet)
