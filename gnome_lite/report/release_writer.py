"""A store's crystals as files for others: tables, CIFs, the entries of the hull, a datasheet and checksums.

Tables have the column names of GNoME's release (Merchant et al. 2023) and go on where that stops: distances of the
crystals near the hull, level, hull, parent and change, model, licence. Distances are worked out anew, for all
crystals from one hull of all phases, which can be built again from the entries. The same store gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from gnome_lite.analysis.dimensionality import dimensionality
from gnome_lite.analysis.equations import balanced
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.licences import LICENCE
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.plain_text import file_name
from gnome_lite.pipeline import Hull, Progress, silent
from gnome_lite.report.release_datasheet import datasheet
from gnome_lite.sources.reference_files import write_references
from gnome_lite.sources.release_reader import ENTRIES, SUMS, file_sum
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.export import csv_of, to_cif, to_csv, to_extxyz
from gnome_lite.store.query import COLUMNS, StoredCrystal
from gnome_lite.store.result import to_rows

STABLE_EV_PER_ATOM = 1e-3
"""GNoME published what lies at most this far above the hull."""
FURTHER = ("Dimensionality Larsen", "Decomposition Reaction", "Is Train", "Licence")
_DATE = (2000, 1, 1, 0, 0, 0)


class Released(NamedTuple):
    """Numbers of crystals at most 1 meV/atom above the hull, near it, and of its entries; SHA-256 of each file."""

    directory: Path
    stable: int
    near_hull: int
    entries: int
    hull_id: str
    level: str
    files: Mapping[str, str]


def write_release(
    directory: Path,
    phases: PhaseSet,
    crystals: Sequence[StoredCrystal],
    *,
    licence: str = LICENCE,
    near_hull_ev_per_atom: float = 0.1,
    in_training: Callable[[Sequence[str]], Iterable[bool]] | None = None,
    campaigns: Sequence[Mapping[str, Any]] = (),
    other_levels: Sequence[StoredCrystal] = (),
    progress: Progress = silent,
) -> Released:
    """Write a release; the directory appears whole or not at all.

    Args:
        directory: new or empty.
        phases: all entries of the hull.
        crystals: candidates for it; those verified at the level and near the hull are taken.
        licence: of the crystals found here; each reference keeps its own.
        near_hull_ev_per_atom: largest distance to the hull.
        in_training: tells whether crystals of reduced formulas [n] may have been trained on ("Is Train").
        campaigns: facts of the campaigns, for the datasheet.
        other_levels: crystals with their verdicts at other levels; those of released ones are listed as they stand.
        progress: told of each crystal.

    Raises:
        ConfigError: if the directory holds something already, or the limit is below 1 meV/atom.
        StoreError, SourceError: if it cannot be written.
    """
    if near_hull_ev_per_atom < STABLE_EV_PER_ATOM:
        raise ConfigError(f"near-hull limit is {near_hull_ev_per_atom}: give {STABLE_EV_PER_ATOM} eV/atom or more")
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"{directory} exists and is not empty: name a new directory")
    hull = build_hull(phases)
    entries = [p if i < phases.n_references else replace(p, licence=licence) for i, p in enumerate(phases)]
    near = [c for c in _judged(phases, crystals, hull) if _above(c) <= near_hull_ev_per_atom]
    released = {c.id for c in near}
    elsewhere = [c for c in other_levels if c.id in released and c.level != phases.level]
    rows = _rows(near, licence, in_training, progress)
    n_stable = sum(_above(c) <= STABLE_EV_PER_ATOM for c in near)  # they come first
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as made:
        place = Path(made) / "release"
        place.mkdir()
        columns = [*COLUMNS, *FURTHER]
        tables = {"stable_summary.csv": csv_of(rows[:n_stable], columns)}
        tables["near_hull_summary.csv"] = csv_of(rows[n_stable:], columns)
        if elsewhere:
            tables["other_levels_summary.csv"] = to_csv(elsewhere)
        for name, text in (tables | {"crystals.extxyz": to_extxyz(near)}).items():
            (place / name).write_text(text, encoding="utf-8")
        _cifs(place / "by_id.zip", [c.id for c in near], near)
        _cifs(place / "by_reduced_formula.zip", [c.formula for c in near], near)
        _cifs(place / "by_composition.zip", [str(row["Composition"]) for row in rows], near)
        write_references(place / ENTRIES, entries)
        facts = {
            **_facts(phases, PhaseSet.make(entries), near, n_stable),
            "hull_id": hull.id,
            "near_hull_within_ev_per_atom": near_hull_ev_per_atom,
            "licence": licence,
            "campaigns": list(campaigns),
        }
        facts["counts"] |= {f"verdicts at {level}": n for level, n in Counter(c.level for c in elsewhere).items()}
        (place / "release.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        (place / "DATASHEET.md").write_text(datasheet(facts), encoding="utf-8")
        files = {path.name: file_sum(path) for path in sorted(place.iterdir())}
        sums = "".join(f"{digest}  {name}\n" for name, digest in files.items())
        (place / SUMS).write_text(sums, encoding="utf-8")
        if directory.exists():
            directory.rmdir()
        shutil.move(place, directory)
    return Released(directory, n_stable, len(near) - n_stable, len(entries), hull.id, phases.level, files)


def _judged(phases: PhaseSet, crystals: Sequence[StoredCrystal], hull: Hull) -> list[StoredCrystal]:
    """Return crystals verified at the level, with their standing on the hull of all phases, in order of distance."""
    mine = [c for c in crystals if c.crystal is not None and c.level == phases.level and c.id in phases]
    verdicts = (asdict(verdict) | {"hull_id": hull.id} for verdict in hull.verdicts([c.id for c in mine]))
    found = [replace(c, **verdict) for c, verdict in zip(mine, verdicts, strict=True)]
    return sorted(found, key=lambda c: (_above(c), c.id))


def _above(c: StoredCrystal) -> float:
    return c.e_above_hull_ev_per_atom or 0.0


def _rows(
    crystals: Sequence[StoredCrystal], licence: str, in_training: Callable[[Sequence[str]], Iterable[bool]] | None,
    progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    train = in_training([c.formula for c in crystals]) if in_training is not None else [None] * len(crystals)
    rows = []
    for done, (row, c, trained) in enumerate(zip(to_rows(crystals), crystals, train, strict=True), 1):
        relaxed = c.crystal if c.crystal is not None else c.input_crystal
        values = (dimensionality(relaxed), _decomposition(c), None if trained is None else bool(trained), licence)
        rows.append(row | dict(zip(FURTHER, values, strict=True)))
        progress("release", done, len(crystals), c.formula)
    return rows


def _decomposition(c: StoredCrystal) -> str | None:
    """Return the reaction into the products of its verdict as a balanced equation."""
    try:
        return str(balanced([c.formula], [formula for _, formula, _ in c.products]))
    except ValueError:
        return None


def _cifs(path: Path, names: Sequence[str], crystals: Sequence[StoredCrystal]) -> None:
    """Write an archive of CIFs; a name that several crystals have is followed by the id."""
    names = [file_name(name) for name in names]
    count = Counter(names)
    unique = [name if count[name] == 1 else f"{name}_{c.id}" for name, c in zip(names, crystals, strict=True)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, c in sorted(zip(unique, crystals, strict=True), key=lambda pair: pair[0]):
            info = zipfile.ZipInfo(f"{path.stem}/{name}.CIF", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            file.writestr(info, to_cif(c))


def _facts(phases: PhaseSet, entries: PhaseSet, near: Sequence[StoredCrystal], n_stable: int) -> dict[str, Any]:
    novel = [c for c in near[:n_stable] if c.novel]
    return {
        "format": "gnome_lite.release/1",
        "level": phases.level,
        "reference_set_id": phases.id,
        "entries_id": entries.id,
        "counts": {
            "stable": n_stable,
            "stable and not in the reference set": len(novel),
            "stable, not in it and no ordering suspect": sum(not c.ordering_suspect for c in novel),
            "near the hull": len(near) - n_stable,
            "hull entries": len(entries),
            "hull entries from the reference set": phases.n_references,
            "verified crystals": len(entries) - phases.n_references,
        },
        "stable_within_ev_per_atom": STABLE_EV_PER_ATOM,
        "generators": dict(sorted(Counter(c.generator for c in near).items())),
        "models": sorted({c.model_id for c in near if c.model_id}),
        "licences_of_entries": dict(sorted(entries.licence_counts.items())),
        "sources": [list(source) for source in phases.references.source_counts],
    }
