"""Files that somebody else may have made: regular files only, read and unpacked up to stated sizes.

Every reader of such files opens them here (docs/design/reading.md). What is wrong with a file is an OSError, as if it
were missing, whose `strerror` says what and the remedy; each reader's own error adds the path.
"""

from __future__ import annotations

import csv
import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

MOST_TIMES = 100
"""Tables and crystals shrink to a fifth, at most to a thirtieth; zeros shrink to a thousandth."""
ALWAYS_BYTES = 16_000_000
"""So much may be unpacked however small the file is."""
_UNPACKED_AT_ONCE, _READ_AT_ONCE = 1 << 20, 1 << 24


def allowance(packed_bytes: int, most_bytes: int) -> int:
    """Return how many bytes a file of a size may unpack to."""
    return min(most_bytes, max(ALWAYS_BYTES, MOST_TIMES * packed_bytes))


def open_limited(path: Path, most_bytes: int, unpack: bool = False) -> io.BufferedReader:
    """Open a regular file for reading.

    Args:
        path: file; a link to one is followed.
        most_bytes: of the file, and of what it unpacks to.
        unpack: read what is in it, where it is gzipped, as its first bytes say, whatever its name.

    Raises:
        OSError: if it cannot be opened, is a pipe, a device or a folder, or is too large. Reading raises it, too: if
            more is unpacked than allowed, or the file is not whole.
    """
    with ExitStack() as unless_returned:
        file = unless_returned.enter_context(open(path, "rb", opener=_open))
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file but a pipe or a device: name a file", str(path))
        if status.st_size > most_bytes:
            raise _too_large(path, f"is larger than {most_bytes / 1e6:g} MB")
        packed = unpack and file.peek(2)[:2] == b"\x1f\x8b"
        unless_returned.pop_all()
    if not packed:
        return file
    return io.BufferedReader(_Unpacked(file, path, allowance(status.st_size, most_bytes)), _UNPACKED_AT_ONCE)


def read_limited(path: Path, most_bytes: int, unpack: bool = False) -> bytes:
    """Return the content of a regular file; arguments and errors are those of `open_limited`."""
    with open_limited(path, most_bytes, unpack) as file:
        chunks, size = [], 0
        while chunk := file.read(_READ_AT_ONCE):
            chunks.append(chunk)
            size += len(chunk)
            if size > most_bytes:  # it grows, or is none of a disk (/proc) and told no size
                raise _too_large(path, f"is larger than {most_bytes / 1e6:g} MB")
        return b"".join(chunks)


@contextmanager
def open_table(path: Path, most_bytes: int, most_row_chars: int) -> Iterator[csv.DictReader[str]]:
    """Open a CSV table in UTF-8, plain or gzipped; missing fields are "".

    Args:
        path: file.
        most_bytes: of the file, and of what it unpacks to.
        most_row_chars: of one row; none longer is ever held.

    Raises:
        OSError: as `open_limited`, and if a row is too long.
        csv.Error, UnicodeDecodeError: from the rows, if it is no table.
    """
    others = csv.field_size_limit(most_row_chars)  # of the whole process
    try:
        with open_limited(path, most_bytes, unpack=True) as file:
            if path.suffix == ".gz" and not isinstance(file.raw, _Unpacked):
                raise OSError(errno.EILSEQ, "it is no gzip file, as its name says: restore it", str(path))
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            yield _Rows(_Lines(text, path, most_row_chars))
    finally:
        csv.field_size_limit(others)


class _Unpacked(io.RawIOBase):
    """What is in a gzipped file, up to so many bytes."""

    def __init__(self, file: IO[bytes], path: Path, most_bytes: int) -> None:
        self._file, self._path, self._most = file, path, most_bytes
        self._unpacked, self._read = gzip.GzipFile(fileobj=file), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._unpacked.read1(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            why = f"it is no whole gzip file ({error}): restore it"
            raise OSError(errno.EILSEQ, why, str(self._path)) from error
        self._read += len(chunk)
        if self._read > self._most:
            raise _too_large(self._path, f"unpacks to more than {self._most / 1e6:g} MB")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Lines:
    """Lines of a table, none of which is held beyond what is left for the row that it belongs to."""

    def __init__(self, text: io.TextIOWrapper, path: Path, most_row_chars: int) -> None:
        self._text, self._path, self._most = text, path, most_row_chars
        self.left = most_row_chars

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self.left + 1)
        self.left -= len(line)
        if self.left < 0:
            raise _too_large(self._path, f"has a row of more than {self._most} characters")
        if not line:
            raise StopIteration
        return line

    def next_row(self) -> None:
        self.left = self._most


class _Rows(csv.DictReader):  # type: ignore[type-arg]  # no generic class at run time
    """Rows by column; each may take the limit anew."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__(lines, restval="")
        self._lines = lines

    def __next__(self) -> dict[str | Any, str | Any]:
        self._lines.next_row()
        return super().__next__()


def _open(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe, and without taking over a terminal."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _too_large(path: Path, how: str) -> OSError:
    return OSError(errno.EFBIG, f"it {how}: split it", str(path))
