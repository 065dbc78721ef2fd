"""What flow tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def restored() -> Iterator[None]:
    """The environment as it was, after code that sets Prefect's defaults in it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
