"""Predictions kept on disk: asked for again, they need not be worked out again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

CachedPrediction = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Formation energy and spread, eV/atom, [n] each."""


def read_cached(path: Path, n: int) -> CachedPrediction | None:
    """Return the prediction of n crystals that is kept, None where none or no sound one is."""
    try:
        with np.load(path, allow_pickle=False) as file:
            e_form, spread = file["e_form_ev_per_atom"], file["spread_ev_per_atom"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return (e_form, spread) if len(e_form) == len(spread) == n else None


def keep_cached(path: Path, said: CachedPrediction) -> None:
    """Keep a prediction, whole or not at all; where nothing can be written, it is worked out again."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                np.savez(file, e_form_ev_per_atom=said[0], spread_ev_per_atom=said[1])
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
