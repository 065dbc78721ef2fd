"""Predictions kept on disk: asked for again, they need not be worked out again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gnome_lite.core.limited import read_limited

NAMES = ("e_form_ev_per_atom", "spread_ev_per_atom")
BYTES, MAX_HEADER_BYTES = 8, 4096
"""Of a number, and of what says how many there are."""

CachedPrediction = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Formation energy and spread, eV/atom, [n] each."""


def read_cached(path: Path, n: int) -> CachedPrediction | None:
    """Return the prediction of n crystals that is kept, None where none or no sound one is."""
    try:
        arrays = load(read_limited(path, 2 * n * BYTES + MAX_HEADER_BYTES))
        e_form, spread = (arrays[name] for name in NAMES)
    except (OSError, KeyError, SafetensorError):
        return None
    fits = e_form.shape == spread.shape == (n,) and e_form.dtype == spread.dtype == np.float64
    return (e_form, spread) if fits else None


def keep_cached(path: Path, said: CachedPrediction) -> None:
    """Keep a prediction, whole or not at all; where nothing can be written, it is worked out again."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(save(dict(zip(NAMES, map(np.ascontiguousarray, said), strict=True))))
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
