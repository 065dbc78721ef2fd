"""Levels of theory: names such as "chgnet-0.3.0", and the one rule that two of them never meet in one hull."""

from __future__ import annotations

from collections.abc import Iterable

from gnome_lite.core.errors import LevelMismatchError


def require_level(level: str, found: Iterable[tuple[str, str]]) -> None:
    """Check that energies are of one level of theory.

    Args:
        level: the level that is wanted.
        found: (id, level) of each energy.

    Raises:
        LevelMismatchError: naming the first that is of another level.
    """
    for name, other in found:
        if other != level:
            raise LevelMismatchError(
                f"{name} is of level {other}, the reference phases are of {level}: one hull holds one level"
            )
