"""The command line. `main` is the entry point; what a command needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gnome-lite`; returns its code: 0 done (also for no hits), 1 a defect, 2 bad input, 130 and 143 stopped."""
    from gnome_lite.cli.app import app
    from gnome_lite.cli.errors import guarded

    return guarded(app, arguments)
