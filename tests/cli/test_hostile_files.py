"""Files made to harm, through every reader that a user hands files to: refused quickly, in one line that names them.

Covers `release_reader`, `compare`, `labelled`, `reported`, `trajectories`, `files`: bombs, pipes and devices.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from samples.measured import cheaply

from gnome_lite.config import CampaignConfig
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import GnomeLiteError
from gnome_lite.core.records import Phase
from gnome_lite.evaluation.pool_files import read_pool
from gnome_lite.evaluation.rediscovery_setup import read_entries
from gnome_lite.predict.prediction_cache import keep_cached, read_cached
from gnome_lite.sources.compare import read_elemental_energies
from gnome_lite.sources.file_references import FileSource
from gnome_lite.sources.files import read_crystals
from gnome_lite.sources.labelled import read_labelled
from gnome_lite.sources.reference_files import read_references, write_references
from gnome_lite.sources.release_reader import ReleaseSource, check_files
from gnome_lite.sources.reported import read_reported
from gnome_lite.verify.chgnet.weights import load_tuned
from gnome_lite.verify.trajectories import read_trajectories

Read = Callable[[Path], object]
READERS: dict[str, Read] = {
    "a.cif": read_crystals,
    "POSCAR": read_crystals,
    "a.extxyz": read_crystals,
    "a.db": read_crystals,
    "a.json": read_crystals,
    "a.json.gz": read_entries,
    "elements.json.gz": read_elemental_energies,
    "a.parquet": read_references,
    "source.parquet": lambda path: FileSource([path], "level").load(),
    "pool.parquet": read_pool,
    "trajectory.parquet": lambda path: read_trajectories([path]),
    "trajectory.extxyz": lambda path: read_trajectories([path]),
    "labels.csv": read_labelled,
    "labels.csv.gz": read_labelled,
    "reported.csv": read_reported,
    "campaign.toml": CampaignConfig.from_toml,
    "tuned.safetensors": load_tuned,
}


def refused(read: Read, path: Path, says: str = "") -> None:
    with cheaply(), pytest.raises(GnomeLiteError, match=says or None) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", READERS)
def test_pipes_and_devices(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    refused(READERS[name], path)
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(READERS[name], path)


@pytest.mark.parametrize("name", [n for n in READERS if n.endswith(".gz")])
@pytest.mark.parametrize("filling", [b"\0", b"[", b" ", b"a,"])
def test_packed_bombs(tmp_path: Path, name: str, filling: bytes) -> None:
    head = b"cif,formation_energy_per_atom\n" if name.startswith("labels") else b""
    block = gzip.compress(filling * ((1 << 24) // len(filling)))
    (tmp_path / name).write_bytes(gzip.compress(head) + block * 40)
    refused(READERS[name], tmp_path / name, "unpacks to more|row of more")


@pytest.mark.parametrize("name", READERS)
def test_terabytes_without_content(tmp_path: Path, name: str) -> None:
    with open(tmp_path / name, "wb") as file:
        file.truncate(1 << 40)
    refused(READERS[name], tmp_path / name)


def test_a_table_of_millions_of_rows_in_a_few_kilobytes(tmp_path: Path) -> None:
    crystal, n = Crystal.make([11], [[0, 0, 0]], 3 * np.eye(3)), 300_000
    write_references(tmp_path / "one.parquet", [Phase("a", crystal, -1.0, "level", "here", "CC0")])
    one = pq.read_table(tmp_path / "one.parquet")
    pq.write_table(one.take(np.zeros(n, np.int64)), tmp_path / "many.parquet", compression="zstd")
    refused(read_references, tmp_path / "many.parquet", "unpacks to more than 16 MB: split it")


@pytest.mark.parametrize("read", [read_crystals, lambda path: read_trajectories([path])], ids=["crystals", "labels"])
@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("1000000000\n\nNa 0 0 0\n", "claims 1000000000 atoms in line 1"),
        ("-1\n\nNa 0 0 0\n", "claims -1 atoms"),
        ('1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:x:R:1000000000\nNa 0 0 0\n', "columns"),
        ("1\n" + "x" * 200_000 + "\nNa 0 0 0\n", "a line of more than 100000 characters"),
    ],
    ids=["atoms", "negative", "columns", "line"],
)
def test_extended_xyz_that_claims_more_than_it_has(tmp_path: Path, frame: str, says: str, read: Read) -> None:
    (tmp_path / "a.extxyz").write_text(frame)
    refused(read, tmp_path / "a.extxyz", says)


@pytest.mark.parametrize("formula", ["Li1e400", "Li1e30", "Li-3", "Linan", "Li" * 1000, "(" * 150 + "Li"])
def test_formulas_without_bounds_are_left_out(tmp_path: Path, formula: str) -> None:
    (tmp_path / "a.csv").write_text(f"formula\nNaCl\n{formula}\n")
    with cheaply():
        compounds, skipped = read_reported(tmp_path / "a.csv")
    assert [c.formula for c in compounds] == ["NaCl"]
    assert skipped.total() == 1


@pytest.mark.parametrize("content", ["[" * 100_000, '{"Li": {"energy": 1e999, "composition": {"Li": 1}}}', '{"Xx": 1}'])
def test_elemental_energies_that_are_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    refused(read_elemental_energies, tmp_path / "a.json")


def test_a_release_whose_members_are_no_files(tmp_path: Path) -> None:
    for name in ("SHA256SUMS", "hull_entries.parquet"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "SHA256SUMS").write_text(f"{'0' * 64}  hull_entries.parquet\n")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to("/dev/zero")
        refused(lambda path: ReleaseSource(path).load(), folder)
        refused(check_files, folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        refused(check_files, folder)


def test_a_folder_of_reported_crystals_passes_over_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.cif")
    (tmp_path / "b.cif").symlink_to("/dev/zero")
    refused(read_reported, tmp_path, "no compound that can be used")


def test_a_cache_of_another_shape_or_size_is_none(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    good = np.zeros(3)
    for wrong in (np.zeros((3, 10**6)), np.zeros(3, np.float32), np.zeros((1, 3))):
        save_file({"e_form_ev_per_atom": wrong, "spread_ev_per_atom": good}, path)
        with cheaply():
            assert read_cached(path, 3) is None
    path.unlink()
    os.mkfifo(path)
    with cheaply():
        assert read_cached(path, 3) is None
    path.unlink()
    path.write_bytes((10**12).to_bytes(8, "little") + json.dumps({}).encode())
    with cheaply():
        assert read_cached(path, 3) is None
    keep_cached(path, (good, good))
    assert read_cached(path, 3) is not None
