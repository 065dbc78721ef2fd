"""Prefect on one machine: quiet, offline, below the project's home, and gone when the command is gone.

Import this before `prefect`: what it sets is read when Prefect is first imported. What the user has
set (PREFECT_API_URL, PREFECT_HOME, a Prefect profile) is left as it is.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gnome_lite.core.errors import ConfigError
from gnome_lite.core.processes import keys_put_away
from gnome_lite.settings import Settings

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

STARTUP_TIMEOUT_S = 120
"""Prefect's own 30 s is too short for its first start on two cores (16-30 s there)."""
REQUEST_TIMEOUT_S = 20
"""Prefect's own 60 s, six times over, is too long to wait for a server that a campaign can do without."""


def prepare_environment(settings: Settings, debug: bool = False) -> None:
    """Set Prefect's defaults for a local run in this process's environment.

    Stage logs go to the run's record in Prefect at any rate; on stderr they would tear the progress
    bars, and a traceback would stand above the one line that says what to do, so there `debug` alone shows them.

    Raises:
        ConfigError: if Prefect's directory below the project's home cannot be made.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_TIMEOUT_S),
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG" if debug else "CRITICAL",
        # Else each event that a server does not take is printed.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "ERROR" if debug else "CRITICAL",
        "PREFECT_API_REQUEST_TIMEOUT": str(REQUEST_TIMEOUT_S),
        "PREFECT_CLIENT_MAX_RETRIES": "1",
    }
    if "PREFECT_HOME" not in os.environ and not (Path.home() / ".prefect" / "profiles.toml").exists():
        home = settings.prefect_home.resolve()
        try:
            # Prefect makes no parents, and without its home its server waits out the whole start-up time.
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {home} ({error.strerror}): choose another --home") from error
        defaults["PREFECT_HOME"] = str(home)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    logging.raiseExceptions = debug  # else Prefect prints each log record that a server does not take


@contextmanager
def local_server() -> Iterator[str]:
    """Run a Prefect server for the length of a command, unless one is configured; yield why there is none, else "".

    Prefect starts such a server by itself, but a killed command would leave it running: a shell that
    waits for this process's end of a pipe to close (the kernel closes it however the process dies) ends it.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # The heartbeat thread costs a second a run; the store, not Prefect, knows what a dead run had done.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        if PREFECT_API_URL.value():
            yield ""
            return
        server = _server()
        try:
            server.start(STARTUP_TIMEOUT_S)
        except Exception as error:
            server.stop()
            why = (str(error).splitlines() or [type(error).__name__])[0]
            yield f"its local server did not start: {why}"
            return
        process = server.server_process
        assert process is not None, "a started server has a process"
        # Its own session: Ctrl-C is meant for the campaign, not for the guard.
        guard = subprocess.Popen(
            ["/bin/sh", "-c", f"read _; kill {process.pid} 2>/dev/null"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={},
        )
        try:
            yield ""
        finally:
            if process.poll() is None:  # a dead one takes no logs
                for handler in logging.getLogger("prefect.flow_runs").handlers:
                    handler.flush()
            server.stop()
            assert guard.stdin is not None, "it was opened as a pipe"
            guard.stdin.close()
            guard.wait()


def _server() -> SubprocessASGIServer:
    """Return Prefect's own temporary server (its client finds it as the one of this process), deaf to Ctrl-C.

    Ctrl-C goes to every process of the terminal. A server that stops at once could not be told that the
    flow was interrupted, and its client would report a lost connection instead.
    """
    from prefect.server.api.server import SubprocessASGIServer

    class Deaf(SubprocessASGIServer):  # type: ignore[misc]  # Prefect's server is not read by mypy: see pyproject.toml
        def _run_uvicorn_command(self) -> subprocess.Popen[bytes]:
            # A blocked signal stays blocked in a child, across exec, where a handler would be reset.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                with keys_put_away(but_for="PREFECT_"):
                    return super()._run_uvicorn_command()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    return Deaf()
