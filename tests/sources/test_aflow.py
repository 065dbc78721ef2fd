"""The shipped prototypes are real, primitive and always the same."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.chemistry.elements import CHGNET_MAX_Z
from gnome_lite.sources.aflow import library, primitive, prototypes, records


def test_all_that_pymatgen_ships_and_the_surrogate_knows() -> None:
    found = prototypes(20)
    assert len(found) >= 240
    assert len(library()) >= 280
    assert [p.id for p in found] == sorted({p.id for p in found})
    assert all(len(p.crystal) <= 20 and p.crystal.numbers.max() <= CHGNET_MAX_Z for p in found)
    assert len(prototypes(4)) < len(found)


@pytest.mark.parametrize(
    ("name", "formula", "n_atoms", "volume"),
    [
        ("Halite", "NaCl", 2, 5.63**3 / 4),
        ("(Cubic) Perovskite", "CaTiO3", 5, 3.795**3),
        ("diamond", "C", 2, 3.567**3 / 4),
    ],
)
def test_known_minerals(name: str, formula: str, n_atoms: int, volume: float) -> None:
    """Volumes are experimental: within 3 % of the textbook's."""
    crystal = next(p.crystal for p in library() if p.name.startswith(name) and p.crystal.reduced_formula == formula)
    assert len(crystal) == n_atoms
    assert crystal.volume == pytest.approx(volume, rel=0.03)


def test_primitive_cells_are_the_same_crystals() -> None:
    """Pymatgen's matcher agrees that the cell used is the prototype as shipped (a sample)."""
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    ours = {(p.aflow, p.crystal.reduced_formula): p.crystal for p in library()}
    matcher = StructureMatcher(scale=False)
    for record in records()[::24]:
        given = Structure.from_dict(record["snl"])
        crystal = ours[record["tags"]["aflow"], given.composition.reduced_formula]
        assert crystal.volume / len(crystal) == pytest.approx(given.volume / len(given), rel=1e-6)
        assert matcher.fit(crystal.to_pymatgen(), given)


def test_primitive_of_a_supercell_is_the_small_cell() -> None:
    from ase.build import bulk

    from gnome_lite.core.crystals import Crystal

    small = primitive(Crystal.from_ase(bulk("Cu")))
    large = primitive(Crystal.from_ase(bulk("Cu", cubic=True) * (2, 1, 1)))
    assert len(small) == len(large) == 1
    assert np.allclose(small.lattice, large.lattice, atol=1e-8)
