"""The sites of a CIF are those of pymatgen's own parser, in its order."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice
from pymatgen.io.cif import CifParser, CifWriter
from samples.groups import from_spacegroup

from gnome_lite.sources.cif_sites import SiteParser

pytestmark = pytest.mark.filterwarnings("ignore")

THIRD = [1 / 3, 2 / 3, 0.25]
CASES = {
    "spinel": ("Fd-3m", Lattice.cubic(8.08), ["Mg", "Al", "O"], [[1 / 8] * 3, [0.5] * 3, [0.2624] * 3]),
    "wurtzite": ("P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]),
    "general": ("P2_1/c", Lattice.monoclinic(5.1, 6.2, 7.3, 101.0), ["Si", "O"], [[0.11, 0.23, 0.37], [0.4, 0.1, 0.8]]),
    "hcp": ("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [THIRD]),
}


@pytest.mark.parametrize("name", CASES)
def test_sites_are_pymatgens(name: str) -> None:
    structure = from_spacegroup(*CASES[name])
    text = str(CifWriter(structure, symprec=0.01))
    (ours,) = SiteParser.from_str(text).parse_structures(primitive=False)
    (theirs,) = CifParser.from_str(text).parse_structures(primitive=False)
    assert ours.atomic_numbers == theirs.atomic_numbers
    assert np.allclose(ours.frac_coords, theirs.frac_coords, rtol=0, atol=1e-14)
    assert [site.label for site in ours] == [site.label for site in theirs]
    assert len(ours) == len(structure)
