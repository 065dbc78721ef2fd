"""What is written is what is read; nothing damaged, foreign or unphysical is read at all.

Covers `reference_files` and `crystal_tables`.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.core.records import Phase
from gnome_lite.sources.reference_files import read_references, write_references

LEVEL = "chgnet-0.3.0"


def entries(n: int, seed: int = 0) -> list[Phase]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        size = int(rng.integers(1, 12))
        cell = 6 * np.eye(3) + rng.normal(scale=0.3, size=(3, 3))
        crystal = Crystal.make(rng.integers(1, 84, size), rng.random((size, 3)), cell)
        made.append(Phase(crystal.content_id, crystal, float(rng.normal()), LEVEL, "seed", "MIT", "fp"))
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_read_is_what_was_written_to_the_last_bit(n: int, seed: int) -> None:
    written = {e.id: e for e in entries(n, seed)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.parquet"
        write_references(path, list(written.values())[::-1])
        read = read_references(path)
        assert list(Path(folder).iterdir()) == [path]
    assert [e.id for e in read] == sorted(written)
    for e in read:
        w = written[e.id]
        assert e.crystal.content_id == e.id
        assert (e.crystal.numbers == w.crystal.numbers).all()
        assert (e.crystal.frac_coords == w.crystal.frac_coords).all()
        assert (e.crystal.lattice == w.crystal.lattice).all()
        assert (e.energy_ev, e.level, e.source, e.licence, e.fingerprint) == (w.energy_ev, LEVEL, "seed", "MIT", "fp")


def test_order_of_entries_does_not_change_the_file(tmp_path: Path) -> None:
    made = entries(20)
    write_references(tmp_path / "a", made)
    write_references(tmp_path / "b", made[::-1])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_pandas_reads_the_columns(tmp_path: Path) -> None:
    made = entries(5)
    write_references(tmp_path / "r.parquet", made)
    frame = pd.read_parquet(tmp_path / "r.parquet").set_index("id")
    for e in made:
        assert frame.loc[e.id, "formula"] == e.crystal.reduced_formula
        assert frame.loc[e.id, "n_sites"] == len(e.crystal)
        assert np.allclose(np.reshape(frame.loc[e.id, "lattice"], (3, 3)), e.crystal.lattice, atol=0)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="seed build"):
        read_references(tmp_path / "none.parquet")
    (tmp_path / "text").write_text("not parquet")
    with pytest.raises(SourceError, match="damaged"):
        read_references(tmp_path / "text")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "foreign")
    with pytest.raises(SourceError, match="not a reference file"):
        read_references(tmp_path / "foreign")


def test_no_flipped_byte_changes_a_value(tmp_path: Path) -> None:
    """A flip is refused, or falls on bytes that carry no value (statistics, writer's name)."""
    path = tmp_path / "r.parquet"
    made = {e.id: e for e in entries(12)}
    write_references(path, list(made.values()))
    good = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for where in rng.integers(0, len(good), 150):
        path.write_bytes(good[:where] + bytes([good[where] ^ 0x41]) + good[where + 1 :])
        try:
            read = read_references(path)
        except SourceError:
            refused += 1
            continue
        for e in read:
            assert e.energy_ev == made[e.id].energy_ev
            assert (e.crystal.frac_coords == made[e.id].crystal.frac_coords).all()
            assert (e.crystal.lattice == made[e.id].crystal.lattice).all()
    assert refused > 50


def test_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    write_references(path, entries(12))
    good = path.read_bytes()
    for size in range(0, len(good), max(1, len(good) // 20)):
        path.write_bytes(good[:size])
        with pytest.raises(SourceError):
            read_references(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"energy_ev": math.nan}, "no finite energy"),
        ({"level": ""}, "level of theory"),
        ({"id": ""}, "no id"),
        ({"n_sites": 0}, "do not add up"),
        ({"n_sites": 99}, "do not add up"),
        ({"lattice": [1.0] * 9}, "without volume"),
        ({"lattice": [math.inf] + [1.0] * 8}, "no finite lattice"),
        ({"lattice": [1.0] * 8}, "do not add up"),
        ({"frac_coords": [math.nan] * 3}, "do not add up|not finite"),
        ({"numbers": [0]}, "do not add up|does not exist"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    path = tmp_path / "r.parquet"
    crystal = Crystal.make([3], [[0, 0, 0]], 3 * np.eye(3))
    write_references(path, [Phase("a", crystal, -1.9, LEVEL, "s", "l")])
    table = pq.read_table(path)
    row = table.to_pylist()[0] | change
    columns = [pa.array([row[f.name]], f.type) for f in table.schema]
    pq.write_table(pa.table(columns, schema=table.schema), path)
    with pytest.raises(SourceError, match=complaint):
        read_references(path)


def test_a_row_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    one = entries(1)[0]
    with pytest.raises(SourceError, match="repeats an id"):
        write_references(tmp_path / "r.parquet", [one, one])
    with pytest.raises(SourceError, match="no references"):
        write_references(tmp_path / "r.parquet", [])
    assert not (tmp_path / "r.parquet").exists()
