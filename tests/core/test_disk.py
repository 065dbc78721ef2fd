"""What is said of a disk that is full, and what is left on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples.full_disk import filled

from gnome_lite.core.disk import is_full, writing
from gnome_lite.core.errors import DiskError
from gnome_lite.core.jsonl import append_line, read_lines


def test_a_full_disk_is_one_line_with_the_remedy(small_disk: Path) -> None:
    path = small_disk / "file"
    with filled(small_disk, 4096), pytest.raises(DiskError) as caught, writing(path):
        path.write_bytes(bytes(1 << 16))
    assert str(caught.value) == (
        f"cannot write {path} (No space left on device): free some space and run again, it goes on where it stopped"
    )


def test_other_failures_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"cannot write .*deep \(Not a directory\): check"), writing(tmp_path / "deep"):
        (tmp_path / "file" / "deep").mkdir()
    with pytest.raises(ValueError, match="mine"), writing(tmp_path):
        raise ValueError("mine")
    assert is_full("SafetensorError: I/O error: No space left on device (os error 28)")
    assert not is_full("died of SIGSEGV: no message")


def test_a_line_is_logged_whole_or_not_at_all(small_disk: Path) -> None:
    log = small_disk / "log.jsonl"
    append_line(log, {"n": 0})
    with filled(small_disk, 8192):
        with pytest.raises(DiskError, match="free some space"):
            append_line(log, {"n": "x" * 100_000})
        assert log.read_text() == '{"n": 0}\n'
        append_line(log, {"n": 1})
    append_line(log, {"n": 2})
    assert [row["n"] for row in read_lines(log)] == [0, 1, 2]
