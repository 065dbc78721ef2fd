"""A release directory, read back as references; nothing is taken from a file that is not what was written."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path

from gnome_lite.core.errors import SourceError
from gnome_lite.core.limited import open_limited, read_limited
from gnome_lite.core.phases import PhaseSet
from gnome_lite.sources.reference_files import read_references

ENTRIES = "hull_entries.parquet"
SUMS = "SHA256SUMS"
MAX_BYTES, MAX_SUMS_BYTES = 4_000_000_000, 1_000_000


class ReleaseSource:
    """Source of the hull entries of a release: references and verified crystals of one level, with their licences."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)

    def load(self) -> PhaseSet:
        """Read and check the entries.

        Raises:
            SourceError: if this is no release, or its entries are damaged or changed.
        """
        check_files(self.directory, only=ENTRIES)
        return PhaseSet.make(read_references(self.directory / ENTRIES))


def check_files(directory: Path, only: str | None = None) -> int:
    """Compare the files of a release, or only one, with its checksums; return how many were compared.

    Raises:
        SourceError: naming the first file that is missing or not as it was written.
    """
    try:
        listed = read_limited(directory / SUMS, MAX_SUMS_BYTES).decode()
    except FileNotFoundError as error:
        raise SourceError(
            f"{directory} is no release: it has no {SUMS} (`gnome-lite release DIR` writes one)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"{directory} is no release: cannot read its {SUMS} ({why}); restore it") from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in listed.splitlines())}
    names = [only] if only is not None else sorted(sums)
    for name in names:
        if name not in sums or Path(name).name != name:
            raise SourceError(f"{directory / SUMS} does not list {name!r}: restore the release or write it again")
        try:
            found = file_sum(directory / name)
        except OSError as error:
            why = error.strerror or error
            raise SourceError(f"cannot read {directory / name}: {why}; restore the release") from error
        if found != sums[name]:
            raise SourceError(f"{directory / name} is not as it was written (checksum differs): restore it")
    return len(names)


def file_sum(path: Path) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it."""
    with open_limited(path, MAX_BYTES) as file:
        return file_digest(file, "sha256").hexdigest()
