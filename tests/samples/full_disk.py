"""A disk with so many bytes left, for the tests of what is written there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """Fill a disk but for some bytes (whole pages); on leaving the space is there again."""
    ballast, space = disk / "ballast", os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(bytes(space.f_bavail * space.f_frsize - left))
    yield
    ballast.unlink()
