"""The bundled seed: reported compounds, elements and hypothetical compounds, relaxed by the default calculator.

How: data/seed/README.md.
"""

from __future__ import annotations

from pathlib import Path

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import SourceError
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase, TrainingSet
from gnome_lite.settings import bundled
from gnome_lite.sources.reference_files import read_references

REPORTED, REPLACED = "reported.parquet", "replaced.txt"
"""Reported compounds, and ids of the other entries that one of them is the same crystal as."""
HYPOTHETICAL, HYPOTHETICAL_INPUTS = "hypothetical.parquet", "hypothetical-inputs.parquet"
"""Hypothetical compounds of all elements, relaxed, and as they were before."""


class SeedSource:
    """Source of the whole seed, whatever the campaign's space: its elements and competing phases make the hull.

    Args:
        path: file of its elements and hypothetical compounds; the others lie beside it. None is the bundled one.
        reported: False leaves all but that file out: what the labelled pool was made with.
        hypothetical: False leaves the hypothetical compounds of all elements out.
    """

    def __init__(self, path: Path | None = None, reported: bool = True, hypothetical: bool = True) -> None:
        self.path = path if path is not None else bundled("seed", "references.parquet")
        self._reported, self._hypothetical = reported, hypothetical

    def load(self) -> PhaseSet:
        """Read and check the files.

        Raises:
            SourceError: if one is missing or damaged.
        """
        entries, reported = read_references(self.path), self.path.with_name(REPORTED)
        if not self._reported or not reported.is_file():
            return PhaseSet.make(entries)
        try:
            replaced = set(self.path.with_name(REPLACED).read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot read {REPLACED} beside {reported}: run `gnome-lite seed reported`") from error
        if self._hypothetical and (further := self.path.with_name(HYPOTHETICAL)).is_file():
            entries += read_references(further)
        return PhaseSet.make([*read_references(reported), *(e for e in entries if e.id not in replaced)])

    def inputs(self) -> TrainingSet:
        """Return the unrelaxed crystals of the seed with the formation energies of what they relaxed to.

        Raises:
            SourceError: if a file is missing or damaged.
        """
        entries = self._read_inputs()
        crystals = CrystalBatch.from_crystals(e.crystal for e in entries)
        elemental = self.load().elemental_ev_per_atom
        return TrainingSet(crystals, formation_energies(crystals.counts, [e.energy_ev for e in entries], elemental))

    def input_crystals(self) -> dict[str, Crystal]:
        """Return the unrelaxed crystals by the ids of what they relaxed to.

        Raises:
            SourceError: if a file is missing or damaged.
        """
        return {e.id: e.crystal for e in self._read_inputs()}

    def _read_inputs(self) -> list[Phase]:
        entries = read_references(self.path.with_name("inputs.parquet"))
        if self._reported and self._hypothetical and (further := self.path.with_name(HYPOTHETICAL_INPUTS)).is_file():
            entries += read_references(further)
        return entries
