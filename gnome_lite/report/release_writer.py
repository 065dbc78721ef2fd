"""A store's crystals as files for others: tables, CIFs, the entries of the hull, a datasheet and checksums.

Tables have the column names of GNoME's release (Merchant et al. 2023) and go on where that stops: distances of the
crystals near the hull, level, hull, parent and change, model, licence. Distances are taken afresh, for all crystals
from one hull of everything known; that hull can be built again from the entries. The same store gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gnome_lite.analysis.dimensionality import dimensionality
from gnome_lite.analysis.equations import balanced
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.licences import LICENCE
from gnome_lite.core.phases import PhaseSet
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


@dataclass(frozen=True, slots=True)
class Released:
    """What was written.

    Attributes:
        stable: crystals at most 1 meV/atom above the hull.
        near_hull: further ones, up to the limit.
        entries: of the hull.
        files: names and SHA-256, as in SHA256SUMS.
    """

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
        crystals: candidates for it; those verified at the level and near the hull are taken.
        licence: of the crystals found here; each reference keeps its own.
        in_training: whether crystals of reduced formulas [n] may have been trained on ("Is Train").
        campaigns: facts of the campaigns, for the datasheet.
        other_levels: crystals with their verdicts at other levels; those of released ones are listed as they stand.

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
    judged = _judged(phases, crystals, hull)
    near = [c for c in judged if (c.e_above_hull_ev_per_atom or 0.0) <= near_hull_ev_per_atom]
    released = {c.id for c in near}
    elsewhere = [c for c in other_levels if c.id in released and c.level != phases.level]
    rows = _rows(near, licence, in_training, progress)
    stable = [i for i, c in enumerate(near) if (c.e_above_hull_ev_per_atom or 0.0) <= STABLE_EV_PER_ATOM]
    rest = sorted(set(range(len(near))) - set(stable))
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as made:
        place = Path(made) / "release"
        place.mkdir()
        columns = [*COLUMNS, *FURTHER]
        _write(place / "stable_summary.csv", csv_of([rows[i] for i in stable], columns))
        _write(place / "near_hull_summary.csv", csv_of([rows[i] for i in rest], columns))
        if elsewhere:
            _write(place / "other_levels_summary.csv", to_csv(elsewhere))
        _write(place / "crystals.extxyz", to_extxyz(near))
        composition = [str(row["Composition"]) for row in rows]
        _cifs(place / "by_id.zip", [c.id for c in near], near)
        _cifs(place / "by_reduced_formula.zip", _unique([c.formula for c in near], near), near)
        _cifs(place / "by_composition.zip", _unique(composition, near), near)
        write_references(place / ENTRIES, entries)
        facts = _facts(phases, PhaseSet.make(entries), hull.id, near, stable, licence, near_hull_ev_per_atom, campaigns)
        facts["counts"] |= {
            f"verdicts at {level}": n for level, n in sorted(Counter(c.level for c in elsewhere).items())
        }
        _write(place / "release.json", json.dumps(facts, indent=1, sort_keys=True) + "\n")
        _write(place / "DATASHEET.md", datasheet(facts))
        files = {path.name: file_sum(path) for path in sorted(place.iterdir())}
        _write(place / SUMS, "".join(f"{digest}  {name}\n" for name, digest in files.items()))
        if directory.exists():
            directory.rmdir()
        shutil.move(place, directory)
    return Released(directory, len(stable), len(rest), len(entries), hull.id, phases.level, files)


def _judged(phases: PhaseSet, crystals: Sequence[StoredCrystal], hull: Hull) -> list[StoredCrystal]:
    """Crystals verified at the level, with their standing on the hull of everything known, in order of distance."""
    mine = [c for c in crystals if c.crystal is not None and c.level == phases.level and c.id in phases]
    found = [
        replace(
            c,
            e_form_ev_per_atom=v.e_form_ev_per_atom,
            e_above_hull_ev_per_atom=v.e_above_hull_ev_per_atom,
            decomposition_ev_per_atom=v.decomposition_ev_per_atom,
            products=v.products,
            hull_id=hull.id,
        )
        for c, v in zip(mine, hull.verdicts([c.id for c in mine]), strict=True)
    ]
    return sorted(found, key=lambda c: (c.e_above_hull_ev_per_atom or 0.0, c.id))


def _rows(
    crystals: Sequence[StoredCrystal],
    licence: str,
    in_training: Callable[[Sequence[str]], Iterable[bool]] | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    train = in_training([c.formula for c in crystals]) if in_training is not None else [None] * len(crystals)
    rows = []
    for done, (row, c, trained) in enumerate(zip(to_rows(crystals), crystals, train, strict=True), 1):
        relaxed = c.crystal if c.crystal is not None else c.input_crystal
        values = (dimensionality(relaxed), _decomposition(c), None if trained is None else bool(trained), licence)
        rows.append(row | dict(zip(FURTHER, values, strict=True)))
        progress("release", done, len(crystals), c.formula)
    return rows


def _decomposition(c: StoredCrystal) -> str | None:
    """Into the products of its verdict, as a balanced equation."""
    try:
        return str(balanced([c.formula], [formula for _, formula, _ in c.products]))
    except ValueError:
        return None


def _unique(names: Sequence[str], crystals: Sequence[StoredCrystal]) -> list[str]:
    """Names as they are, with the id after those that several crystals have."""
    count = Counter(names)
    return [name if count[name] == 1 else f"{name}_{c.id}" for name, c in zip(names, crystals, strict=True)]


def _cifs(path: Path, names: Sequence[str], crystals: Sequence[StoredCrystal]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, c in sorted(zip(names, crystals, strict=True), key=lambda pair: pair[0]):
            info = zipfile.ZipInfo(f"{path.stem}/{name}.CIF", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            file.writestr(info, to_cif(c))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _facts(
    phases: PhaseSet,
    entries: PhaseSet,
    hull_id: str,
    near: Sequence[StoredCrystal],
    stable: Sequence[int],
    licence: str,
    limit: float,
    campaigns: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    on_hull = [near[i] for i in stable]
    return {
        "format": "gnome_lite.release/1",
        "level": phases.level,
        "hull_id": hull_id,
        "reference_set_id": phases.id,
        "entries_id": entries.id,
        "counts": {
            "stable": len(on_hull),
            "stable and not in the reference set": sum(bool(c.novel) for c in on_hull),
            "stable, not in it and no ordering suspect": sum(bool(c.novel) and not c.ordering_suspect for c in on_hull),
            "near the hull": len(near) - len(on_hull),
            "hull entries": len(entries),
            "hull entries from the reference set": phases.n_references,
            "verified crystals": len(entries) - phases.n_references,
        },
        "stable_within_ev_per_atom": STABLE_EV_PER_ATOM,
        "near_hull_within_ev_per_atom": limit,
        "generators": dict(sorted(Counter(c.generator for c in near).items())),
        "models": sorted({c.model_id for c in near if c.model_id}),
        "licence": licence,
        "licences_of_entries": dict(sorted(entries.licence_counts.items())),
        "sources": [list(source) for source in phases.references.source_counts],
        "campaigns": list(campaigns),
    }
