"""What all tests share: where the real DFT data lie, and small known crystals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.crystals import Crystal

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def dft_data() -> Path:
    """Directory of the DFT-labelled crystals; tests that need it are skipped where it is absent."""
    path = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "mp20_val.csv.gz").exists():
        pytest.skip(f"no DFT data in {path}")
    return path


@pytest.fixture(scope="session")
def rocksalt() -> Crystal:
    """NaCl, primitive cell, a = 5.69 Å."""
    a = 5.69
    return Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2)
