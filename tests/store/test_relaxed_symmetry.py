"""A crystal that confuses the symmetry search is stored all the same."""

from __future__ import annotations

import moyopy
import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.store.relaxed_symmetry import space_group_of


def test_space_group_of_rock_salt(rocksalt: Crystal) -> None:
    assert space_group_of(rocksalt) == (225, "Fm-3m")


def test_a_panic_of_the_search_is_no_space_group(rocksalt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rust panics arrive as a BaseException that `except Exception` lets through."""

    class PanicException(BaseException):
        pass

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(moyopy, "MoyoDataset", panic)
    assert space_group_of(rocksalt) is None
