"""Only regular files are read, and no more of them than was said."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from samples.measured import cheaply

from gnome_lite.core.limited import ALWAYS_BYTES, allowance, open_limited, open_table, read_limited

MOST = 50_000_000


def test_a_sound_file_is_read_plain_and_packed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"words" * 1000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"words" * 1000) * 2)  # gzip files may be joined
    (tmp_path / "link").symlink_to("a")
    assert read_limited(tmp_path / "a", MOST) == read_limited(tmp_path / "link", 5000) == b"words" * 1000
    assert read_limited(tmp_path / "a.gz", MOST, unpack=True) == b"words" * 2000
    assert read_limited(tmp_path / "a.gz", MOST)[:2] == b"\x1f\x8b"
    with open_limited(tmp_path / "a", MOST) as file:
        assert file.read(5) == b"words"


@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize("name", ["pipe", "zero", "folder", "proc"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, name: str, unpack: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "proc").symlink_to("/proc/self/maps")  # says that it is a file of 0 bytes
    with cheaply(), pytest.raises(OSError, match=r"no file|directory|larger") as raised:
        read_limited(tmp_path / name, 100, unpack)
    assert raised.value.filename == str(tmp_path / name)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with cheaply(), pytest.raises(OSError, match="it is larger than 50 MB: split it"):
        read_limited(tmp_path / "sparse", MOST)


@pytest.mark.parametrize("most", [MOST, 10**12])
def test_a_bomb_is_left_when_it_is_told(tmp_path: Path, most: int) -> None:
    block = gzip.compress(bytes(1 << 24))
    (tmp_path / "a.gz").write_bytes(block * 60)  # a gigabyte in one megabyte
    with cheaply(), pytest.raises(OSError, match=r"unpacks to more than \d+") as raised:
        read_limited(tmp_path / "a.gz", most, unpack=True)
    assert raised.value.filename == str(tmp_path / "a.gz")


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b\x08 torn", gzip.compress(b"x" * 100, mtime=0)[:-9], b"\x1f\x8b" + bytes(90)]
)
def test_a_damaged_packed_file_is_an_os_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(OSError, match="no whole gzip file") as raised:
        read_limited(tmp_path / "a.gz", MOST, unpack=True)
    assert raised.value.filename == str(tmp_path / "a.gz")


def test_allowance() -> None:
    assert allowance(1, 10**12) == ALWAYS_BYTES
    assert allowance(10**6, 10**12) == 10**8
    assert allowance(10**6, 10**3) == 10**3


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa,b\r\n"x\r\ny",1\r\n2\r\n')
    with open_table(tmp_path / "a.csv", MOST, 100) as table:
        assert table.fieldnames == ["a", "b"]
        assert list(table) == [{"a": "x\r\ny", "b": "1"}, {"a": "2", "b": ""}]


@pytest.mark.parametrize("row", [b"a" * 10**8, b"a," * 10**7, b'"a\n",' * 10**7, b"\n" * 10**8])
def test_a_row_without_end_is_never_held(tmp_path: Path, row: bytes) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,b\n1,2\n" + row)
    with (
        cheaply(),
        pytest.raises(OSError, match="has a row of more than 1000 characters"),
        open_table(tmp_path / "a.csv.gz", 10**9, 1000) as table,
    ):
        list(table)


def test_the_limit_of_one_table_is_not_that_of_others(tmp_path: Path) -> None:
    """The field limit of csv is the process's: a table of short rows must leave it as it was."""
    import csv

    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with open_table(tmp_path / "a.csv", 1000, 50) as table:
        assert [row["b"] for row in table] == ["2"]
    assert csv.field_size_limit() == before
