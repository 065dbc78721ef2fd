"""Errors a user can mend: each names the thing and the remedy; the CLI prints it in one line, exit code 2.

A failure of one crystal is data (`Verification.failure`), never one of these.
"""

from __future__ import annotations


class GnomeLiteError(Exception):
    """Base of all errors that are the input's or the set-up's, not a defect of the program."""


class ConfigError(GnomeLiteError):
    """A campaign or a setting that cannot be used."""


class SourceError(GnomeLiteError):
    """Known crystals that cannot be read or fetched."""


class LevelMismatchError(GnomeLiteError):
    """Energies of two levels of theory were about to meet in one hull."""


class MissingReferenceError(GnomeLiteError):
    """A hull was asked for without a reference energy for each of its elements."""


class StoreError(GnomeLiteError):
    """A store that cannot be opened, read or written."""


class DiskError(GnomeLiteError):
    """A file that cannot be written, most often because the disk is full."""


class CheckpointError(GnomeLiteError):
    """Network weights that are damaged, foreign or incomplete."""


class CalculatorError(GnomeLiteError):
    """A calculator that is unknown or cannot be built here."""


class OldNameWarning(FutureWarning):
    """A setting or command under a name that the next version will not know; the CLI prints it in one line."""
