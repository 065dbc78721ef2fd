"""`CrystalNovelty`, the pipeline's `Novelty`: which crystals are the same, and which are believable."""

from __future__ import annotations

from gnome_lite.core.crystals import CrystalBatch
from gnome_lite.novelty.fingerprint import fingerprints
from gnome_lite.novelty.matcher.index import SameCrystals
from gnome_lite.novelty.prototype import parse
from gnome_lite.novelty.prototype_database import PrototypeDatabase


class CrystalNovelty:
    """Fingerprints, prototypes, indices and prototype databases. Has no state."""

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        """Return reduced formula and Wyckoff-labelled prototype of each crystal, [n], e.g. "NaCl|cF8_225_a_b"."""
        return fingerprints(crystals)

    def prototype(self, fingerprint: str) -> str:
        """Return the prototype of a fingerprint without its elements, e.g. "AB_cF8_225_a_b"; "" where it has none."""
        return parse(fingerprint).label

    def index(self) -> SameCrystals:
        """Return an empty index."""
        return SameCrystals()

    def prototype_database(self) -> PrototypeDatabase:
        """Return an empty prototype database."""
        return PrototypeDatabase()
