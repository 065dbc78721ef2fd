"""Everything known at one level, for the analyses of single crystals: references, verified crystals, molecules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnome_lite.core.phases import Phase, PhaseSet
from gnome_lite.core.records import Verification

if TYPE_CHECKING:
    from gnome_lite.analysis.gases import Gas
    from gnome_lite.analysis.phases import Phases
    from gnome_lite.stability.hull import ChemicalHull


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What `assemble.open_known` finds.

    Attributes:
        verified: those of the references' level, without failures, ordered by id.
        molecules: crystals of CO2 and H2O at the level; no part of the hull.
        campaigns: names of the campaigns whose references these are; none if they come from elsewhere.
    """

    references: PhaseSet
    verified: tuple[Verification, ...] = ()
    molecules: tuple[Phase, ...] = ()
    campaigns: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        return self.references.level

    def __contains__(self, entry_id: object) -> bool:
        return any(e.id == entry_id for e in self.references.entries) or any(
            v.candidate_id == entry_id for v in self.verified
        )

    def hull(self) -> ChemicalHull:
        """Of references and verified crystals."""
        from gnome_lite.stability.hull import build_hull

        return build_hull(self.references, self.verified)

    def phases(self) -> Phases:
        """The same, for reactions and precursors."""
        from gnome_lite.analysis.phases import known_phases

        return known_phases(self.references, self.verified, self.molecules)

    def gases(self, formulas: tuple[str, ...] = (), temperature_k: float | None = None) -> list[Gas]:
        """Gases of air as far as this level has them, or just those named.

        Raises:
            MissingReferenceError: if one that is named has no energy at this level.
        """
        from gnome_lite.analysis.gases import gases_of

        return gases_of(self.phases(), formulas, temperature_k)
