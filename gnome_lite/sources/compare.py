"""Elemental energies of a reference set beside those of another level, e.g. Materials Project's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import SourceError


def read_elemental_energies(path: Path) -> dict[str, float]:
    """Read a (gzipped) JSON file {symbol: ComputedEntry as a dict}, as Materials Project's references come.

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


def elemental_table(here: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Return a Markdown table of the elements in both, eV/atom by symbol, with mean and median |difference| below."""
    shared = sorted(here.keys() & other.keys(), key=atomic_number)
    differences = [1000 * (here[s] - other[s]) for s in shared]
    lines = ["| element | here, eV/atom | other, eV/atom | difference, meV/atom |", "|---|---|---|---|"]
    lines += [f"| {s} | {here[s]:.4f} | {other[s]:.4f} | {d:+.0f} |" for s, d in zip(shared, differences, strict=True)]
    if shared:
        size = np.abs(differences)
        lines += ["", f"{len(size)} elements: mean {size.mean():.0f}, median {np.median(size):.0f} meV/atom."]
    return "\n".join(lines)
