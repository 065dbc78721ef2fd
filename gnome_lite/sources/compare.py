"""Elemental energies of a reference set beside those of another level, e.g. Materials Project's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import read_limited

MAX_BYTES = 5_000_000


def read_elemental_energies(path: Path) -> dict[str, float]:
    """Read a (gzipped) JSON file {symbol: ComputedEntry as a dict}, as Materials Project's references come.

    Returns:
        Corrected energy, eV/atom, by symbol.

    Raises:
        SourceError: if the file is not of that form.
    """
    try:
        records = json.loads(read_limited(path, MAX_BYTES, unpack=True))
        energies = {
            symbol: (float(e["energy"]) + float(e.get("correction") or 0.0)) / sum(e["composition"].values())
            for symbol, e in records.items()
            if atomic_number(symbol)
        }
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path} holds no elemental entries ({type(error).__name__}: {error})") from error
    bad = [symbol for symbol, energy in energies.items() if not math.isfinite(energy)]
    if bad:
        raise SourceError(f"{path} has no finite energy of {bad[0]}: correct it")
    return energies


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
