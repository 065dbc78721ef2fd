"""Two levels of theory never meet."""

from __future__ import annotations

import pytest

from gnome_lite.core.errors import LevelMismatchError
from gnome_lite.core.levels import require_level


def test_the_first_of_another_level_is_named() -> None:
    require_level("a-1", [("x", "a-1"), ("y", "a-1")])
    require_level("a-1", [])
    with pytest.raises(LevelMismatchError, match="y is of level b-1, the reference phases are of a-1"):
        require_level("a-1", [("x", "a-1"), ("y", "b-1"), ("z", "c-1")])
