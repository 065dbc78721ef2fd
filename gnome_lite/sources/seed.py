"""The bundled seed: elements and common compounds, relaxed with the default calculator. How: data/seed/README.md."""

from __future__ import annotations

from pathlib import Path

from gnome_lite.references import ReferenceSet
from gnome_lite.settings import bundled
from gnome_lite.sources.parquet import read_references


class SeedSource:
    """The whole seed, whatever the campaign's space: its elements and competing phases make the hull."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else bundled("seed", "references.parquet")

    def load(self) -> ReferenceSet:
        """Read and check the file.

        Raises:
            SourceError: if it is missing or damaged.
        """
        return ReferenceSet.make(read_references(self.path))
