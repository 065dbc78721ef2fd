"""One Prefect server with a database of its own for all flow tests of a session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def restored() -> Iterator[None]:
    """The environment as it was, after code that sets Prefect's defaults in it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
