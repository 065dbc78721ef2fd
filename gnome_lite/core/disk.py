"""A disk that is full, in one line: what could not be written, and that nothing is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gnome_lite.core.errors import DiskError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space, no quota, or a file larger than it may be."""


def is_full(said: str) -> bool:
    """Return whether a message, of a child process or a library that is not Python's, tells of a full disk."""
    return any(os.strerror(code) in said for code in FULL)


def umask() -> int:
    """Return the permissions that new files do not get; temporary ones that take a place are given the others."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file or a folder is written into one line that names it.

    Args:
        path: of what is written.

    Raises:
        DiskError: if it cannot be written.
    """
    try:
        yield
    except Exception as error:
        if is_full(str(error)):
            raise full(path, error) from error
        if not isinstance(error, OSError):
            raise
        raise DiskError(f"cannot write {path} ({error.strerror or error}): check that you may write there") from error


def full(path: Path, said: object) -> DiskError:
    """Return the error of a disk that was full when a path on it was written."""
    why = next(os.strerror(code) for code in FULL if os.strerror(code) in str(said))
    return DiskError(f"cannot write {path} ({why}): free some space and run again, it goes on where it stopped")
