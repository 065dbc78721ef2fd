"""What a query gives: one stored crystal with its latest verdict."""

from __future__ import annotations

from dataclasses import dataclass

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import STABLE_EV_PER_ATOM


@dataclass(frozen=True, slots=True, eq=False)
class StoredCrystal:
    """One stored crystal with its latest verdict. Without a verdict the fields that rest on one are None.

    Attributes:
        formula: reduced formula.
        campaign, round: where it was verified, or proposed if it is not verified.
        predicted_e_form_ev_per_atom: of the last prediction in that campaign, as `spread`, `p_stable` and so on.
        volume_per_atom: of the relaxed crystal, Å^3.
        density: of the relaxed crystal, g/cm^3.
        crystal: relaxed, None without a successful verification.
        input_crystal: as proposed.
    """

    id: str
    formula: str
    chemical_system: str
    n_sites: int
    space_group_number: int | None
    space_group: str | None
    e_form_ev_per_atom: float | None
    e_above_hull_ev_per_atom: float | None
    decomposition_ev_per_atom: float | None
    products: tuple[tuple[str, str, float], ...]
    novel: bool | None
    nearest_known: str | None
    ordering_suspect: bool | None
    flags: tuple[str, ...]
    analogue: str | None
    prototype: str | None
    new_prototype: bool | None
    level: str | None
    hull_id: str | None
    campaign: str
    round: int
    parent_id: str
    generator: str
    change: str
    predicted_e_form_ev_per_atom: float | None
    spread_ev_per_atom: float | None
    p_stable: float | None
    predicted_e_above_hull_ev_per_atom: float | None
    model_id: str | None
    volume_per_atom: float | None
    density: float | None
    crystal: Crystal | None
    input_crystal: Crystal

    @property
    def stable(self) -> bool | None:
        """Surrogate-stable at its level; None without a verdict."""
        above = self.e_above_hull_ev_per_atom
        return None if above is None else above <= STABLE_EV_PER_ATOM
