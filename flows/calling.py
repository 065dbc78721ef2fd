"""Flows called by a command: followed by Prefect where it can be reached, carried on without it where it cannot.

The store is the truth, and a flow is safe to run again. One that Prefect has failed is called once more as the plain
function that it is, and goes on where the store says that it stopped.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from gnome_lite.core.errors import GnomeLiteError

R = TypeVar("R")

HEALTH_TIMEOUT_S = 5.0
"""A server that has not said by then that it is well is not waited for."""

_lost: list[str] = []


def call(flow: Flow[..., R], *arguments: Any, missing: str = "") -> R:
    """Call a flow; without Prefect, and with a notice, where that is or becomes unreachable.

    Args:
        flow: to call.
        arguments: of the flow.
        missing: why there is no server, where that is known before.

    Raises:
        KeyboardInterrupt: if it was stopped by Ctrl-C or SIGTERM, whatever Prefect made of that.
    """
    why = missing or _unwell()
    if not why:
        on_sigterm = signal.getsignal(signal.SIGTERM)

        def keep_ours(flow: Any, flow_run: Any, state: Any) -> None:
            """Put back what the command does on SIGTERM: Prefect tells its server first, and it may be gone."""
            signal.signal(signal.SIGTERM, on_sigterm)

        try:
            return flow.with_options(on_running=[keep_ours])(*arguments)
        except BaseException as error:
            why = _failing(error)
            if why:
                _lost.append(why)
            if any(isinstance(e, (KeyboardInterrupt, TerminationSignal)) for e in _chain(error)):
                raise KeyboardInterrupt from error
            if not why:
                raise
    print(f"notice: Prefect cannot be reached ({why}); going on without it", file=sys.stderr, flush=True)
    return flow.fn(*arguments)


def lost() -> bool:
    """Return whether Prefect went away during a flow: its threads would wait for its server at our end, for minutes."""
    return bool(_lost)


def _unwell() -> str:
    """Return why the server cannot be used; "" where it is well."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        try:
            with get_client(httpx_settings={"timeout": HEALTH_TIMEOUT_S}, sync_client=True) as client:
                error = client.api_healthcheck()
        except Exception as failed:
            error = failed
    return _said(error) if error is not None else ""


def _failing(error: BaseException) -> str:
    """Return how Prefect failed where it was Prefect that did; "" where the flow failed by itself."""
    if isinstance(error, GnomeLiteError):
        return ""
    return next((_said(e) for e in _chain(error) if isinstance(e, httpx.HTTPError)), "")


def _said(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
