"""A phase by what a user types."""

from __future__ import annotations

import pytest
from samples.phase_sets import phases_of

from gnome_lite.analysis.lookup import find_phase
from gnome_lite.core.errors import GnomeLiteError

PHASES = phases_of([({"Li": 1}, 0.0), ({"O": 2}, 0.0), ({"Li": 2, "O": 1}, -1.8), ({"Li": 4, "O": 2}, -2.0)])


def test_by_id_beginning_and_formula() -> None:
    assert find_phase(PHASES, "e002") == 2
    assert find_phase(PHASES, "Li4O2") == find_phase(PHASES, "OLi2") == 3, "the lowest of its composition"
    with pytest.raises(GnomeLiteError, match="4 phases have ids that begin with 'e00'"):
        find_phase(PHASES, "e00")
    for nothing in ("", "K2O", "gl-1", "no formula"):
        with pytest.raises(GnomeLiteError, match=r"no phase .* at level L"):
            find_phase(PHASES, nothing)
