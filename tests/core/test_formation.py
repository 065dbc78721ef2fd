"""Formation energies by hand, and an elemental reference that gives itself away."""

from __future__ import annotations

import numpy as np
import pytest
from samples.phase_sets import phases_of

from gnome_lite.core.errors import MissingReferenceError
from gnome_lite.core.formation import absurd_element, formation_energies

COUNTS = phases_of([({"Li": 1}, 0.0), ({"Li": 2, "O": 1}, 0.0)]).counts


def test_by_hand() -> None:
    found = formation_energies(COUNTS, [-1.9, -14.4], {"Li": -1.9, "O": -4.9})
    assert found == pytest.approx([0.0, (-14.4 + 2 * 1.9 + 4.9) / 3])
    with pytest.raises(MissingReferenceError, match=r"reference energy for O \(needed by Li2O\)"):
        formation_energies(COUNTS, [-1.9, -14.4], {"Li": -1.9})


def test_an_absurd_element_is_found_by_its_compounds() -> None:
    energies = np.array([-1.9, -14.4])
    assert absurd_element(COUNTS, energies, {"Li": -1.9, "O": -4.9}) is None
    name, off = absurd_element(COUNTS, energies, {"Li": -1.9, "O": -100.0}) or ("", 0.0)
    assert name == "O"
    assert off == pytest.approx((-14.4 + 2 * 1.9 + 100.0) / 3 / (1 / 3))
