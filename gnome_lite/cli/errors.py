"""One wrapper around every command: what a user can mend is one line on stderr, never a traceback.

`--debug`, anywhere on the line, shows the traceback too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from gnome_lite.cli.old_commands import with_current_commands
from gnome_lite.core.disk import FULL
from gnome_lite.core.errors import GnomeLiteError, OldNameWarning
from gnome_lite.core.plain_text import printable, printable_lines

if TYPE_CHECKING:
    import typer

OK, DEFECT, BAD_INPUT, STOPPED, PIPE_CLOSED, TERMINATED = 0, 1, 2, 130, 141, 143
STOPPED_LINE = "stopped; run again to go on"
STOP_WITHIN_S = 8.0
"""Time to stop after SIGTERM; batch systems send SIGKILL after some 30 s."""


def guarded(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the app; turn every exception into a line and an exit code, and a name of an older version into a notice.

    Args:
        app: its commands find in `typer.Context.obj` whether `--debug` was given.
        arguments: words of the command line; default: those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in words
    rest = [w for w in words if w != "--debug"] + given[len(words) :]
    with warnings.catch_warnings():
        if not debug:
            # Libraries warn about what a user of this program can do nothing about; our own warnings are output.
            warnings.simplefilter("ignore")
        warnings.simplefilter("default", OldNameWarning)
        warnings.showwarning = _show_warning
        with _sigterm_stops() as received:
            code = _run(app, with_current_commands(rest), debug)
    calling = sys.modules.get("flows.calling")
    if received.is_set() or (calling is not None and calling.lost()):
        # At once, without what libraries do at the end: children end with this process, however it ends.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(TERMINATED if received.is_set() else code)
    return code


@contextmanager
def _sigterm_stops() -> Iterator[threading.Event]:
    """Let SIGTERM, a batch system's cancel, stop a command as Ctrl-C does, whatever hangs; yield whether it came."""
    received = threading.Event()

    def end() -> None:
        os.write(2, f"{STOPPED_LINE}\n".encode())
        os._exit(TERMINATED)  # what was committed stays

    def stop(*_: object) -> None:
        received.set()
        last = threading.Timer(STOP_WITHIN_S, end)
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(app: typer.Typer, words: Sequence[str], debug: bool) -> int:
    from typer.exceptions import Abort, TyperException

    try:
        code = app(words, prog_name="gnome-lite", standalone_mode=False, obj=debug)
        sys.stdout.flush()
        if code == STOPPED:  # Typer turns Ctrl-C into this code
            raise KeyboardInterrupt
        return code if isinstance(code, int) else OK
    except TyperException as error:
        # Typer's own exceptions: unknown options, missing arguments, values of a wrong type.
        return _tell(f"{error.format_message()} (see gnome-lite --help)", BAD_INPUT, debug)
    except GnomeLiteError as error:
        return _tell(str(error), BAD_INPUT, debug)
    except (KeyboardInterrupt, Abort):
        return _tell(STOPPED_LINE, STOPPED, debug=False, prefix="")
    except BrokenPipeError:
        # The reader (head, less) has left. Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        remedy = "free some space and run again" if error.errno in FULL else "check the path"
        return _tell(f"cannot use{where}: {error.strerror or error}; {remedy}", BAD_INPUT, debug)
    except Exception as error:
        kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _tell(f"{kind} (a defect: run again with --debug and report it)", DEFECT, debug)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Take the place of `warnings.showwarning`: a notice names no line of our source."""
    ours = issubclass(category, OldNameWarning)
    said = f"notice: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}"
    print(printable_lines(said), file=sys.stderr)


def _tell(message: str, code: int, debug: bool, prefix: str = "error: ") -> int:
    if debug:
        print(printable_lines(traceback.format_exc()), file=sys.stderr, end="")
    print(prefix + printable(" ".join(message.split())), file=sys.stderr)
    return code
