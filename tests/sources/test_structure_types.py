"""Structure types as plain text: the crystals that come of them, beside pymatgen's and spglib's; bad entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from samples.groups import from_spacegroup

from gnome_lite.core.errors import SourceError
from gnome_lite.sources.structure_types import StructureType, formula_tokens, read_structure_types, structure_type

TABLE = Path(__file__).resolve().parents[2] / "data" / "reported"
PEROVSKITE: dict[str, Any] = {
    "formula": "GdFeO3", "space_group": 62, "setting": "cab", "cell": [5.35, 5.61, 7.67],
    "sites": ["Gd 4c -0.016 0.063 1/4", "Fe 4b 0 1/2 0", "O 4c 0.1 0.47 1/4", "O 8d -0.3 0.3 0.05"],
}  # fmt: skip
CORUNDUM: dict[str, Any] = {
    "formula": "Al2O3", "space_group": 167, "cell": [4.76, 12.99], "sites": ["Al 12c 0 0 0.352", "O 18e 0.306 0 1/4"],
}  # fmt: skip


def group_of(kind: StructureType) -> int:
    c = kind.crystal
    found = spglib.get_symmetry_dataset((c.lattice, c.frac_coords, c.numbers), symprec=1e-3)
    assert found is not None
    return int(found.number)


def test_a_crystal_is_that_of_pymatgen() -> None:
    made = structure_type("corundum", CORUNDUM)
    sites = [[0, 0, 0.352], [0.306, 0, 0.25]]
    peer = from_spacegroup("R-3c", Lattice.hexagonal(4.76, 12.99), ["Al", "O"], sites).get_primitive_structure()
    assert len(made.crystal) == 10
    assert StructureMatcher().fit(made.crystal.to_pymatgen(), peer)
    assert made.crystal.volume == pytest.approx(peer.volume)
    assert made.n_formula_units == 2


def test_other_settings_are_understood() -> None:
    """Pbnm's coordinates, turned by hand into Pnma's: the same crystal."""
    turned = PEROVSKITE | {
        "setting": "", "cell": [5.61, 7.67, 5.35],
        "sites": ["Gd 4c 0.063 1/4 -0.016", "Fe 4a 1/2 0 0", "O 4c 0.47 1/4 0.1", "O 8d 0.3 0.05 -0.3"],
    }  # fmt: skip
    ours, other = structure_type("a", PEROVSKITE), structure_type("b", turned)
    assert group_of(ours) == group_of(other) == 62
    assert StructureMatcher().fit(ours.crystal.to_pymatgen(), other.crystal.to_pymatgen())


def test_another_formula_takes_the_roles_in_its_order() -> None:
    kind = structure_type("corundum", CORUNDUM)
    assert kind.with_formula("Fe2O3").reduced_formula == "Fe2O3"
    with pytest.raises(ValueError, match="Al2O3"):
        kind.with_formula("O3Fe2")
    with pytest.raises(ValueError, match="no place"):
        kind.with_formula("FeO")
    assert formula_tokens("FeFe2O4") == [("Fe", 1), ("Fe", 2), ("O", 4)]
    for bad in ("Fe2(SO4)3", "Fe2.5O4", "", "Xx2", "fe"):
        with pytest.raises(ValueError, match=r".+"):
            formula_tokens(bad)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sites": ["Al 12c 0.1 0 0.352", "O 18e 0.306 0 1/4"]}, "36 images, not 12"),
        ({"sites": ["Al 12c 0 0 0.352"]}, "not Al2O3"),
        ({"sites": ["Al 12c 0 0 0.352", "Si 18e 0.306 0 1/4"]}, "not Al2O3"),
        ({"cell": [4.76]}, "lists a, c"),
        ({"space_group": 231}, "space group 231"),
        ({"setting": "b2"}, "no setting 'b2'"),
        ({"formula": "Al2Al3"}, "names an element twice"),
        ({"colour": "red"}, "unknown colour"),
    ],
)
def test_what_no_crystal_can_be_made_of_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        structure_type("corundum", CORUNDUM | change)


def test_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no structure types"):
        read_structure_types(tmp_path)
    text = '[salt]\nformula = "NaCl"\nspace_group = 225\ncell = [5.64]\nsites = ["Na 4a 0 0 0", "Cl 4b 1/2 1/2 1/2"]\n'
    (tmp_path / "a.toml").write_text(text)
    assert np.isclose(read_structure_types(tmp_path)["salt"].crystal.volume, 5.64**3 / 4)
    (tmp_path / "b.toml").write_text(text)
    with pytest.raises(SourceError, match=r"b\.toml: structure type salt is there twice"):
        read_structure_types(tmp_path)
    (tmp_path / "b.toml").write_text(text.replace("salt", "other").replace("5.64", "5.64, 3"))
    with pytest.raises(SourceError, match=r"b\.toml: structure type other: a cubic cell lists a"):
        read_structure_types(tmp_path)
    (tmp_path / "b.toml").write_text("[")
    with pytest.raises(SourceError, match=r"cannot read .*b\.toml"):
        read_structure_types(tmp_path)
