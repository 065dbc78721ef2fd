"""Where a phase comes from, as its source says: reported by somebody, or only computed."""

from __future__ import annotations

REPORTED, MATERIALS_PROJECT = "reported", "Materials Project"
"""Beginnings of sources: of the project's own table, and of the Materials Project's entries."""


def is_reported(source: str) -> bool:
    """Return whether a phase of this source is a compound of the table of reported ones."""
    return source.startswith(REPORTED)
