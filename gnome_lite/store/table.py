"""Stored crystals as a table, with the column names of GNoME's release where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gnome_lite.chemistry.space_groups import crystal_system, point_group
from gnome_lite.core.crystals import symbol
from gnome_lite.store.stored import StoredCrystal

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "Composition",
    "MaterialId",
    "Reduced Formula",
    "Elements",
    "NSites",
    "Volume",
    "Density",
    "Point Group",
    "Space Group",
    "Space Group Number",
    "Crystal System",
    "Formation Energy Per Atom",
    "Decomposition Energy Per Atom",
    "Energy Above Hull Per Atom",
    "Products",
    "Novel",
    "Nearest Known",
    "Ordering Suspect",
    "Flags",
    "Prototype",
    "New Prototype",
    "Nearest Analogue",
    "Level",
    "Hull Id",
    "Campaign",
    "Round",
    "Parent Id",
    "Generator",
    "Change",
    "Predicted Formation Energy Per Atom",
    "Predicted Spread Per Atom",
    "Predicted Energy Above Hull Per Atom",
    "P Stable",
    "Model Id",
)
"""Energies in eV/atom, Volume of the relaxed cell in Å^3, Density in g/cm^3."""


def to_rows(crystals: Sequence[StoredCrystal]) -> list[dict[str, Any]]:
    """One row a crystal, plain values under COLUMNS; what is not known is None."""
    return [dict(zip(COLUMNS, _row(c), strict=True)) for c in crystals]


def to_dataframe(crystals: Sequence[StoredCrystal]) -> pd.DataFrame:
    """One row a crystal under COLUMNS, in the order given."""
    import pandas as pd

    return pd.DataFrame(to_rows(crystals), columns=list(COLUMNS))


def _row(c: StoredCrystal) -> tuple[Any, ...]:
    counts = c.input_crystal.counts
    atoms = {symbol(z): int(counts[z]) for z in counts.nonzero()[0]}
    return (
        "".join(f"{element}{n}" for element, n in sorted(atoms.items())),
        c.id,
        c.formula,
        sorted(atoms),
        c.n_sites,
        c.volume_per_atom * c.n_sites if c.volume_per_atom is not None else None,
        c.density,
        point_group(c.space_group_number) if c.space_group_number is not None else None,
        c.space_group,
        c.space_group_number,
        crystal_system(c.space_group_number) if c.space_group_number is not None else None,
        c.e_form_ev_per_atom,
        c.decomposition_ev_per_atom,
        c.e_above_hull_ev_per_atom,
        [list(product) for product in c.products],
        c.novel,
        c.nearest_known,
        c.ordering_suspect,
        list(c.flags),
        c.prototype,
        c.new_prototype,
        c.analogue,
        c.level,
        c.hull_id,
        c.campaign,
        c.round,
        c.parent_id,
        c.generator,
        c.change,
        c.predicted_e_form_ev_per_atom,
        c.spread_ev_per_atom,
        c.predicted_e_above_hull_ev_per_atom,
        c.p_stable,
        c.model_id,
    )
