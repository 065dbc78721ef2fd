"""Numbers that elements begin with."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Element

from gnome_lite.predict.descriptors import NAMES, element_descriptors


def test_columns_are_standardised_and_gaps_are_zero() -> None:
    table = element_descriptors()
    assert np.isfinite(table).all()
    column = table[1:, NAMES.index("atomic mass")]
    assert abs(column.mean()) < 1e-5
    assert abs(column.std() - 1) < 1e-5
    assert (table[0] == 0).all()
    assert Element("He").X != Element("He").X  # pymatgen has none
    assert table[2, NAMES.index("electronegativity")] == 0


def test_like_elements_are_nearer_than_unlike() -> None:
    table = element_descriptors()

    def apart(a: str, b: str) -> float:
        return float(np.linalg.norm(table[Element(a).Z] - table[Element(b).Z]))

    assert apart("Na", "K") < apart("Na", "Cl")
    assert apart("La", "Ce") < apart("La", "O")


def test_electrons_of_iron() -> None:
    of_iron, of_zinc = (element_descriptors()[Element(e).Z, NAMES.index("valence d")] for e in ("Fe", "Zn"))
    assert of_zinc > of_iron  # 10 and 6
