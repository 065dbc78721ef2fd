"""`CrystalNovelty`, the pipeline's `Novelty`: fingerprints to bucket, the matcher inside a bucket, suspects."""

from __future__ import annotations

from collections.abc import Iterable

from gnome_lite.crystals import Crystal, CrystalBatch
from gnome_lite.novelty import disorder, fingerprint, match


class CrystalNovelty:
    """Which crystals are the same, and which look like artificial orderings. Has no state."""

    def fingerprints(self, crystals: CrystalBatch) -> list[str]:
        """Bucket key of each crystal, [n]."""
        return fingerprint.fingerprints(crystals)

    def same(self, a: Crystal, b: Crystal) -> bool:
        """Whether two crystals are the same after volume scaling."""
        return match.same(a, b)

    def ordering_suspect(self, crystal: Crystal, known: Iterable[Crystal]) -> bool:
        """Whether a crystal looks like an artificial ordering of a solid solution."""
        return disorder.ordering_suspect(crystal, known)
