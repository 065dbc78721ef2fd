"""What is written is read back by pymatgen and ASE as the same crystal."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.db import connect
from pymatgen.core import Structure

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.store.database import SqlStore
from gnome_lite.store.export import FORMATS, export
from gnome_lite.store.query import Query, StoredCrystal

POSITION_TOLERANCE_ANG = 1e-6


@pytest.fixture
def crystals(played: SqlStore) -> list[StoredCrystal]:
    return played.query(Query(include_unverified=True))


def expected(stored: StoredCrystal) -> Crystal:
    return stored.crystal if stored.crystal is not None else stored.input_crystal


def assert_same_crystal(found: Structure, stored: StoredCrystal) -> None:
    """Same cell, elements and, up to the choice of axes, the same distances."""
    ours = expected(stored).to_pymatgen()
    np.testing.assert_allclose(found.lattice.parameters, ours.lattice.parameters, atol=POSITION_TOLERANCE_ANG)
    found, ours = found.get_sorted_structure(), ours.get_sorted_structure()
    assert found.species == ours.species
    np.testing.assert_allclose(found.distance_matrix, ours.distance_matrix, atol=POSITION_TOLERANCE_ANG)


@pytest.mark.parametrize("format", ["cif", "poscar"])
def test_one_file_each(crystals: list[StoredCrystal], tmp_path: Path, format: str) -> None:
    paths = export(crystals, tmp_path / "new" / "place", format)
    assert len({p.name for p in paths}) == len(crystals) == 6
    for path, stored in zip(paths, crystals, strict=True):
        text = path.read_text()
        assert stored.id in path.name
        assert stored.id in text
        assert_same_crystal(Structure.from_str(text, fmt=format), stored)
        atoms = ase.io.read(path, format="vasp" if format == "poscar" else "cif")
        assert sorted(atoms.numbers) == sorted(expected(stored).numbers)
        if stored.level is not None:
            assert f"level {stored.level}" in text
            assert f"e_above_hull {stored.e_above_hull_ev_per_atom:.6f}" in text
        else:
            assert "not relaxed, no verdict" in text


def test_extxyz(crystals: list[StoredCrystal], tmp_path: Path) -> None:
    (path,) = export(crystals, tmp_path / "all.extxyz", "extxyz")
    for atoms, stored in zip(ase.io.read(path, ":"), crystals, strict=True):
        np.testing.assert_allclose(atoms.positions, expected(stored).cart_coords, atol=POSITION_TOLERANCE_ANG)
        np.testing.assert_allclose(atoms.cell.array, expected(stored).lattice, atol=POSITION_TOLERANCE_ANG)
        assert atoms.pbc.all()
        assert atoms.info["gnome_lite_id"] == stored.id
        assert atoms.info.get("e_above_hull") == stored.e_above_hull_ev_per_atom
        assert atoms.info["change"] == stored.change


def test_ase_db(crystals: list[StoredCrystal], tmp_path: Path) -> None:
    (path,) = export(crystals, tmp_path / "all.db", "ase")
    with connect(path) as database:
        for row, stored in zip(database.select(), crystals, strict=True):
            assert row.gnome_lite_id == stored.id
            assert row.get("e_above_hull") == stored.e_above_hull_ev_per_atom
            np.testing.assert_allclose(row.positions, expected(stored).cart_coords, atol=POSITION_TOLERANCE_ANG)
        assert len(list(database.select("e_above_hull<0.05"))) == 3


def test_tables(crystals: list[StoredCrystal], tmp_path: Path) -> None:
    (path,) = export(crystals, tmp_path / "t.csv", "csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [r["MaterialId"] for r in rows] == [c.id for c in crystals]
    assert float(rows[0]["Formation Energy Per Atom"]) == crystals[0].e_form_ev_per_atom
    (array,) = export(crystals, tmp_path / "t.json", "json")
    (lines,) = export(crystals, tmp_path / "t.ndjson", "ndjson")
    records = json.loads(array.read_text())
    assert records == [json.loads(line) for line in lines.read_text().splitlines()]
    restored = Crystal.make(**records[0]["crystal"])
    np.testing.assert_array_equal(restored.lattice, expected(crystals[0]).lattice)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_to_write_is_no_error(tmp_path: Path, format: str) -> None:
    export([], tmp_path / "none", format)


@pytest.mark.parametrize("format", FORMATS)
def test_an_unwritable_place_is_told_in_one_line(crystals: list[StoredCrystal], tmp_path: Path, format: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="cannot write") as error:
        export(crystals, tmp_path / "file" / "below", format)
    assert "\n" not in str(error.value)


def test_a_failed_export_leaves_the_old_file(crystals: list[StoredCrystal], tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "all.json"
    place.write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StoreError, match="No space left"):
        export(crystals, place, "json")
    assert place.read_text() == "old"
    assert list(tmp_path.glob(".all*")) == []


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot export 'pdf': choose from cif, poscar, extxyz, ase"):
        export([], tmp_path, "pdf")
