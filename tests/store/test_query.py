"""Queries that cannot be meant are told in one line; fields are one list for commands, Python and tables."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from gnome_lite.chemistry.space_groups import crystal_system, number_of, symbol_of
from gnome_lite.core.errors import ConfigError
from gnome_lite.store.query import COLUMNS, SORTS, Query, StoredCrystal


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"elements": ("Xx",)}, "elements: there is no element 'Xx'"),
        ({"exclude": "Li-O"}, "exclude: there is no element 'Li-O'"),
        ({"chemical_system": "Li--O"}, "chemical_system: there is no element ''"),
        ({"formula": "Li2Quux"}, "is not a formula"),
        ({"formula": ""}, "is not a formula"),
        ({"space_group": "Zz"}, "there is no space group 'Zz'"),
        ({"space_group": 231}, "there is no space group 231"),
        ({"sort": "beauty"}, "cannot sort by 'beauty': choose from id, formula, n_sites, e_form"),
        ({"limit": -1}, "limit is -1"),
        ({"n_sites_min": 5, "n_sites_max": 2}, "no crystal has between 5 and 2 sites"),
        ({"e_above_hull_max": float("nan")}, "e_above_hull_max is nan"),
        ({"n_sites": "many"}, "n_sites 'many' is not a range"),
    ],
)
def test_bad_queries_are_told_in_one_line(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Query(**fields)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_space_groups_by_symbol() -> None:
    assert [number_of(s) for s in ("Fm-3m", "F m -3 m", "P2_1/c", "225", 1)] == [225, 225, 14, 225, 1]
    assert len({symbol_of(n) for n in range(1, 231)}) == 230
    assert [crystal_system(n) for n in (2, 14, 62, 123, 148, 194, 225)] == [
        "triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic",
    ]  # fmt: skip


def test_filters_by_keyword_are_the_query() -> None:
    base = Query(elements=("Li",), limit=3)
    assert Query.make(elements=("Li",), limit=3, novel=None) == base
    assert Query.make(base, limit=5, level="emt") == Query(elements=("Li",), limit=5, level="emt")
    with pytest.raises(ConfigError, match=r"there is no filter colour: choose from elements, only, exclude"):
        Query.make(colour="red")


def test_tables_and_sort_keys_name_fields_of_a_hit() -> None:
    names = {f.name for f in fields(StoredCrystal)}
    assert {*COLUMNS.values(), *SORTS.values()} <= names
    assert names - {*COLUMNS.values()} == {
        "chemical_system",
        "volume_per_atom",
        "energy_ev",
        "crystal",
        "input_crystal",
    }
    assert list(COLUMNS)[:5] == ["Composition", "MaterialId", "Reduced Formula", "Elements", "NSites"]


def test_the_list_of_fields_imports_nothing_heavy() -> None:
    code = (
        "import sys; import gnome_lite.store.query;"
        "print([m for m in ('numpy', 'sqlalchemy', 'ase', 'pymatgen', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
