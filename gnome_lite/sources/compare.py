"""Elemental energies of a reference set beside those of another level, e.g. Materials Project's."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import SourceError
from gnome_lite.core.phases import PhaseSet


@dataclass(frozen=True, slots=True)
class ElementalDifference:
    """One element's reference energy, here and elsewhere."""

    symbol: str
    entry_id: str
    energy_ev_per_atom: float
    other_ev_per_atom: float

    @property
    def difference_ev_per_atom(self) -> float:
        return self.energy_ev_per_atom - self.other_ev_per_atom


def compare_elements(references: PhaseSet, others: Mapping[str, float]) -> list[ElementalDifference]:
    """Differences of the elements that both have, by atomic number.

    Args:
        references: the set to judge; its lowest crystal of each element counts.
        others: energy of each element at the other level, eV/atom, by symbol.
    """
    lowest: dict[str, tuple[float, str]] = {}
    for entry in references:
        elements = entry.crystal.chemical_system
        if "-" not in elements:
            lowest[elements] = min(lowest.get(elements, (math.inf, "")), (entry.energy_ev_per_atom, entry.id))
    shared = sorted(set(lowest) & set(others), key=atomic_number)
    return [ElementalDifference(s, lowest[s][1], lowest[s][0], others[s]) for s in shared]


def read_elemental_energies(path: Path) -> dict[str, float]:
    """Energies of a (gzipped) JSON file {symbol: ComputedEntry as a dict}, as Materials Project's references come.

    Returns:
        Corrected energy, eV/atom, by symbol.

    Raises:
        SourceError: if the file is not of that form.
    """
    try:
        content = Path(path).read_bytes()
        records = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        return {
            symbol: (float(e["energy"]) + float(e.get("correction") or 0.0)) / sum(e["composition"].values())
            for symbol, e in records.items()
        }
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise SourceError(f"{path} holds no elemental entries ({type(error).__name__}: {error})") from error


def markdown(differences: Sequence[ElementalDifference]) -> str:
    """A table for a README, with its mean and median |difference| in the last line."""
    lines = ["| element | here, eV/atom | other, eV/atom | difference, meV/atom |", "|---|---|---|---|"]
    lines += [
        f"| {d.symbol} | {d.energy_ev_per_atom:.4f} | {d.other_ev_per_atom:.4f} "
        f"| {1000 * d.difference_ev_per_atom:+.0f} |"
        for d in differences
    ]
    size = 1000 * np.abs([d.difference_ev_per_atom for d in differences])
    if len(size):
        lines += ["", f"{len(size)} elements: mean {size.mean():.0f}, median {np.median(size):.0f} meV/atom."]
    return "\n".join(lines)
