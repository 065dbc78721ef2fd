"""Wyckoff letters: pymatgen's tables and its canonical form, without the import of its prototypes.

Covers `wyckoff_letters` and `prototype_data`.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pymatgen.analysis.prototypes import (
    WYCKOFF_MULTIPLICITY_DICT,
    WYCKOFF_POSITION_RELAB_DICT,
    canonicalize_element_wyckoffs,
)

from gnome_lite.chemistry.prototype_data import prototype_data
from gnome_lite.core.errors import SourceError
from gnome_lite.novelty.wyckoff_letters import canonical, multiplicities, relabelings


def test_tables_are_pymatgens() -> None:
    assert multiplicities() == {str(k): dict(v) for k, v in WYCKOFF_MULTIPLICITY_DICT.items()}
    for group, names in WYCKOFF_POSITION_RELAB_DICT.items():
        assert relabelings(group) == tuple(names)


def test_the_canonical_form_is_pymatgens() -> None:
    rng = np.random.default_rng(0)
    for group in WYCKOFF_POSITION_RELAB_DICT:
        for _ in range(5):
            drawn = [rng.choice(list(multiplicities()[group]), rng.integers(1, 4)) for _ in range(rng.integers(1, 4))]
            elements = tuple("".join(f"{rng.integers(1, 3)}{letter}" for letter in sorted(set(e))) for e in drawn)
            assert canonical(elements, group) == canonicalize_element_wyckoffs("_".join(elements), group)


def test_fingerprints_do_not_import_pymatgens_prototypes() -> None:
    code = (
        "import sys; from gnome_lite.novelty.fingerprint import fingerprints; from gnome_lite.sources.aflow import "
        "library; from gnome_lite.core.crystals import CrystalBatch; fingerprints(CrystalBatch.from_crystals(p.crystal "
        "for p in library()[:2])); sys.exit('pymatgen.analysis.prototypes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match=r"ships no nothing\.json\.gz"):
        prototype_data("nothing")
