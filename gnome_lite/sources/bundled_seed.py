"""The bundled seed: reported compounds, elements and hypothetical compounds, relaxed by the default calculator.

How: data/seed/README.md.
"""

from __future__ import annotations

from pathlib import Path

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import TrainingSet
from gnome_lite.settings import bundled
from gnome_lite.sources.reference_files import read_references

REPORTED = "reported.parquet"


class SeedSource:
    """Source of the whole seed, whatever the campaign's space: its elements and competing phases make the hull."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else bundled("seed", "references.parquet")

    def load(self) -> PhaseSet:
        """Read and check the file.

        Raises:
            SourceError: if it is missing or damaged.
        """
        reported = self.path.with_name(REPORTED)
        entries = read_references(reported) if reported.is_file() else []
        return PhaseSet.make([*entries, *read_references(self.path)])

    def inputs(self) -> TrainingSet:
        """Return the unrelaxed crystals of the seed with the formation energies of what they relaxed to.

        Raises:
            SourceError: if a file is missing or damaged.
        """
        entries = read_references(self.path.with_name("inputs.parquet"))
        crystals = CrystalBatch.from_crystals(e.crystal for e in entries)
        elemental = self.load().elemental_ev_per_atom
        return TrainingSet(crystals, formation_energies(crystals.counts, [e.energy_ev for e in entries], elemental))
