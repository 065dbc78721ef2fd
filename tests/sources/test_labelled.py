"""Labelled tables against pymatgen's own CIFs; whatever is wrong names the row."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from samples.groups import from_spacegroup

from gnome_lite.core.errors import SourceError
from gnome_lite.sources.labelled import crystal_from_p1_cif, read_labelled

LENGTH_TOLERANCE_ANG = 1e-6


def structure(seed: int) -> Structure:
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(3, 9, 3), *rng.uniform(65, 115, 3))
    n = int(rng.integers(1, 8))
    return Structure(lattice, rng.choice(["Li", "Fe", "O", "Cl"], n).tolist(), rng.random((n, 3)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_pymatgen_writes_is_read(seed: int) -> None:
    expected = structure(seed)
    crystal = crystal_from_p1_cif(str(CifWriter(expected)))
    assert crystal.reduced_formula == expected.composition.reduced_formula
    np.testing.assert_allclose(crystal.volume, expected.volume, rtol=1e-6)
    got = crystal.to_pymatgen().distance_matrix
    np.testing.assert_allclose(np.sort(got.ravel()), np.sort(expected.distance_matrix.ravel()), atol=1e-5)


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(seed: int = 0, energy: str = "-1.5", **changed: str) -> dict[str, str]:
    return {
        "material_id": f"x-{seed}",
        "cif": str(CifWriter(structure(seed))),
        "formation_energy_per_atom": energy,
    } | changed


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_table(tmp_path: Path, name: str) -> None:
    data = read_labelled(table(tmp_path / name, [row(0), row(1, "-0.25")]))
    assert len(data) == 2
    assert data.e_form_ev_per_atom.tolist() == [-1.5, -0.25]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(1, "nan"), r"line 3 \(x-1\): nan is no finite number"),
        (row(1, "much"), r"line 3 \(x-1\)"),
        (
            row(
                1,
                cif=str(CifWriter(from_spacegroup("Fm-3m", Lattice.cubic(4), ["Li"], [[0, 0, 0]]), symprec=0.1)),
            ),
            "symmetry operations: write it in P 1",
        ),
        (row(1, cif=row(1)["cif"].replace("  1\n", "  0.5\n")), "partial occupancies"),
        (row(1, cif="data_x"), "lacks a cell or sites"),
        (row(1, cif=re.sub(r"(_cell_angle_gamma\s+)\S+", r"\g<1>0.0", row(1)["cif"])), "its cell is none"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, bad: dict[str, str], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read_labelled(table(tmp_path / "t.csv", [row(0), bad]))


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "c.csv").write_text("cif,formation_energy_per_atom\n")
    for name, words in (
        ("a.csv", "no column cif"),
        ("b.csv.gz", "cannot read"),
        ("c.csv", "no crystals"),
        ("d.csv", "cannot read"),
    ):
        with pytest.raises(SourceError, match=words) as caught:
            read_labelled(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_materials_projects_tables(dft_data: Path) -> None:
    """All rows; a few against pymatgen's parser."""
    import time

    from pymatgen.core import Structure as Parsed

    started = time.perf_counter()
    data = read_labelled(dft_data / "mp20_val.csv.gz")
    assert len(data) == 7140
    assert time.perf_counter() - started < 60
    with gzip.open(dft_data / "mp20_val.csv.gz", "rt") as file:
        texts = [r["cif"] for r, _ in zip(csv.DictReader(file), range(20), strict=False)]
    for i, text in enumerate(texts):
        expected = Parsed.from_str(text, fmt="cif")
        assert data.crystals[i].reduced_formula == expected.composition.reduced_formula
        assert data.crystals[i].volume == pytest.approx(expected.volume, rel=1e-5)
