"""Levels and ensembles judged on WBM crystals, by the protocol of Matbench Discovery, on whatever part of WBM is there.

WBM: Wang, Botti, Marques, npj Computational Materials 7, 12 (2021); relaxed by PBE / PBE+U with the Materials Project's
settings. No network or potential that ships here was trained on them. A folder holds JSON files of crystals with their
corrected energies, the elemental references of the same scale, and, for the hull, the summary table of the data set.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnome_lite.core.crystals import Crystal, CrystalBatch, atomic_number
from gnome_lite.core.errors import SourceError
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.limited import open_table, read_limited
from gnome_lite.core.metrics import DiscoveryMetrics, discovery_metrics, regression_metrics
from gnome_lite.core.records import Candidate, Verification

MAX_BYTES = 2_000_000_000
MAX_ROW_CHARS = 1_000_000
CRYSTALS, ELEMENTS, SUMMARY = "wbm*.json*", "mp_elemental_reference_entries.json*", "*wbm-summary.csv*"
ABOVE_HULL = "e_above_hull_mp2020_corrected_ppd_mp"
"""Column of WBM's summary: distance to the Materials Project's hull, eV/atom."""


@dataclass(frozen=True, slots=True, eq=False)
class WbmSet:
    """Crystals of WBM, n in all, as relaxed by DFT.

    Attributes:
        energy_ev_per_atom: corrected energy, [n].
        e_form_ev_per_atom: corrected formation energy, [n].
        e_above_hull_ev_per_atom: distance to the Materials Project's hull; NaN where it is not known, [n].
        elemental_ev_per_atom: the Materials Project's elemental references, by symbol.
    """

    ids: tuple[str, ...]
    crystals: tuple[Crystal, ...]
    energy_ev_per_atom: NDArray[np.float64]
    e_form_ev_per_atom: NDArray[np.float64]
    e_above_hull_ev_per_atom: NDArray[np.float64]
    elemental_ev_per_atom: dict[str, float]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def candidates(self) -> list[Candidate]:
        return [Candidate(i, c, "", "", "", 0) for i, c in zip(self.ids, self.crystals, strict=True)]

    def first(self, n: int) -> WbmSet:
        """Return the first n crystals: the order is that of the files."""
        arrays = (self.energy_ev_per_atom[:n], self.e_form_ev_per_atom[:n], self.e_above_hull_ev_per_atom[:n])
        return WbmSet(self.ids[:n], self.crystals[:n], *arrays, self.elemental_ev_per_atom)


@dataclass(frozen=True, slots=True)
class WbmFigures:
    """What a level or an ensemble is right to.

    Attributes:
        n, missing: crystals, and those without a prediction.
        mae_ev_per_atom, r2: of formation energies.
        median_ev_per_atom: median of their absolute errors.
        bias_ev_per_atom: mean of predicted minus DFT.
        discovery: of distances to the DFT hull; None where the folder has none.
    """

    n: int
    missing: int
    mae_ev_per_atom: float | None
    median_ev_per_atom: float | None
    bias_ev_per_atom: float | None
    r2: float | None
    discovery: DiscoveryMetrics | None


def read_wbm(folder: Path) -> WbmSet:
    """Read what a folder has of WBM.

    Raises:
        SourceError: naming the file that is missing or damaged.
    """
    rows = [row for path in _files(folder, CRYSTALS, "WBM crystals") for row in _json(path)]
    try:
        crystals = tuple(_crystal(row) for row in rows)
        ids = tuple(str(row["material_id"]) for row in rows)
        corrected = np.array([float(row["corrected_energy"]) / len(row["species"]) for row in rows])
        e_form = np.array([float(row["corrected_formation_energy_per_atom"]) for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{folder}/{CRYSTALS}: not as WBM's crystals are written ({error!r})") from error
    elements = _json(_files(folder, ELEMENTS, "the Materials Project's elemental references")[0])
    try:
        elemental = {e: _per_atom(entry) for e, entry in elements.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{folder}/{ELEMENTS}: not pymatgen's entries by element ({error!r})") from error
    above = _above_hull(folder)
    distances = np.array([above.get(i, np.nan) for i in ids])
    return WbmSet(ids, crystals, corrected, e_form, distances, elemental)


def formation_energies_of(wbm: WbmSet, outcomes: Sequence[Verification]) -> NDArray[np.float64]:
    """Return formation energies of verified crystals against the DFT references, eV/atom; NaN for failures, [n].

    Energies of a level on the Materials Project's corrected scale and its references may be compared.
    """
    e_form = np.full(len(wbm), np.nan)
    good = [k for k, v in enumerate(outcomes) if v.ok]
    if good:
        counts = CrystalBatch.from_crystals(outcomes[k].crystal for k in good).counts
        energies = [outcomes[k].energy_ev for k in good]
        e_form[good] = formation_energies(counts, energies, wbm.elemental_ev_per_atom)
    return e_form


def wbm_figures(wbm: WbmSet, e_form_ev_per_atom: NDArray[np.float64]) -> WbmFigures:
    """Judge predicted formation energies, eV/atom, NaN where there is none, [n].

    As in Matbench Discovery a predicted distance to the hull is DFT's own, moved by the error of the formation energy.
    """
    error = e_form_ev_per_atom - wbm.e_form_ev_per_atom
    said = np.isfinite(error)
    mae, r2 = regression_metrics(wbm.e_form_ev_per_atom, e_form_ev_per_atom)
    known = np.isfinite(wbm.e_above_hull_ev_per_atom)
    above = wbm.e_above_hull_ev_per_atom[known]
    return WbmFigures(
        n=len(wbm),
        missing=int((~said).sum()),
        mae_ev_per_atom=mae,
        median_ev_per_atom=float(np.median(np.abs(error[said]))) if said.any() else None,
        bias_ev_per_atom=float(error[said].mean()) if said.any() else None,
        r2=r2,
        discovery=discovery_metrics(above, above + error[known]) if known.any() else None,
    )


def _files(folder: Path, pattern: str, what: str) -> list[Path]:
    found = sorted(p for p in folder.glob(pattern) if p.is_file())
    if not found:
        raise SourceError(f"{folder} holds no {pattern} ({what}): see docs/wbm.md for what a folder has to hold")
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(read_limited(path, MAX_BYTES, unpack=True))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error


def _crystal(row: dict[str, Any]) -> Crystal:
    numbers = [atomic_number(symbol) for symbol in row["species"]]
    return Crystal.make(numbers, row["frac_coords"], row["lattice"])


def _per_atom(entry: dict[str, Any]) -> float:
    return (float(entry["energy"]) + float(entry.get("correction") or 0)) / sum(entry["composition"].values())


def _above_hull(folder: Path) -> dict[str, float]:
    found = sorted(folder.glob(SUMMARY))
    if not found:
        return {}
    try:
        with open_table(found[0], MAX_BYTES, MAX_ROW_CHARS) as rows:
            if missing := {"material_id", ABOVE_HULL} - set(rows.fieldnames or ()):
                raise ValueError(f"no column {' and '.join(sorted(missing))}")
            return {row["material_id"]: float(row[ABOVE_HULL]) for row in rows if row.get(ABOVE_HULL)}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise SourceError(f"cannot read {found[0]}: {error}; give WBM's own summary table") from error
