"""The forms that hits are wanted in: a table, pymatgen structures, ASE atoms, a notebook's HTML."""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import COLUMNS
from gnome_lite.store.result import SHOWN_ROWS, QueryResult


def test_dataframe_has_the_columns_of_gnomes_release(played: SqlStore) -> None:
    frame = played.query(include_unverified=True).to_pandas()
    assert len(frame) == 6
    row = frame.set_index("Reduced Formula").loc["NaMnF3"]
    assert (row["Composition"], row["NSites"], row["Crystal System"]) == ("F3Mn1Na1", 5, "cubic")
    assert row["Volume"] == pytest.approx((4.2 * 1.01) ** 3)
    assert row["Decomposition Energy Per Atom"] == 0.03
    assert played.query(limit=0).to_pandas().columns.tolist() == frame.columns.tolist() == list(COLUMNS)


def test_a_result_is_a_sequence(played: SqlStore) -> None:
    found = played.query(include_unverified=True)
    assert (len(found), len(found[1:3]), isinstance(found[1:3], QueryResult)) == (6, 2, True)
    assert found[0] is next(iter(found))
    assert found[-1] in found
    assert repr(found[:2]).startswith("QueryResult of 2 crystals: ")


def test_structures_and_atoms_are_the_relaxed_crystals(played: SqlStore) -> None:
    found = played.query(include_unverified=True)
    for stored, structure, atoms in zip(found, found.structures(), found.atoms(), strict=True):
        crystal = stored.crystal or stored.input_crystal
        np.testing.assert_allclose(structure.lattice.matrix, crystal.lattice, atol=1e-12)
        assert structure.composition.reduced_formula == stored.formula
        np.testing.assert_array_equal(atoms.numbers, crystal.numbers)
        np.testing.assert_allclose(atoms.cell.array, crystal.lattice, atol=1e-12)
        assert atoms.info == {
            "id": stored.id,
            "formula": stored.formula,
            "e_form": stored.e_form_ev_per_atom,
            "e_above_hull": stored.e_above_hull_ev_per_atom,
            "level": stored.level,
        }


def test_a_notebook_shows_the_first_of_them(played: SqlStore) -> None:
    found = played.query()
    shown = found._repr_html_()
    assert all(c.id in shown for c in found)
    assert "4 crystals; energies in eV/atom" in shown
    many = QueryResult([found[0]] * (SHOWN_ROWS + 1))._repr_html_()
    assert many.count(found[0].id) == SHOWN_ROWS
    assert f"{SHOWN_ROWS + 1} crystals, the first {SHOWN_ROWS} shown" in many
