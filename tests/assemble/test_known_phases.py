"""A reference phase is found by its id or the beginning of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnome_lite.assemble.known_phases import find_reference
from gnome_lite.core.errors import SourceError
from gnome_lite.settings import Settings
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.stability.hull import build_hull


def test_references_of_the_seed_and_their_places(tmp_path: Path) -> None:
    """A home without a store has the bundled seed; the place is that on the hull of all of it."""
    seed = SeedSource().load()
    compound = int(np.flatnonzero((seed.counts > 0).sum(axis=1) == 3)[0])
    known = find_reference(seed.ids[compound][:-1], Settings(home=tmp_path))
    assert known.phase.id == seed.ids[compound]
    assert known.reference_set_id == seed.id
    (whole,) = build_hull(seed).verdicts([seed.ids[compound]])
    assert known.place is not None
    assert known.place.e_above_hull_ev_per_atom == pytest.approx(whole.e_above_hull_ev_per_atom, abs=1e-9)
    for wrong, why in (("seed-", "begins more than one id"), ("", "no reference ''"), ("seed-xyz", "no reference")):
        with pytest.raises(SourceError, match=why):
            find_reference(wrong, Settings(home=tmp_path))
