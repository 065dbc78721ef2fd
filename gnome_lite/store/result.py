"""What a query of Python gives: the crystals found, in order, and the forms that they are wanted in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from gnome_lite.core.crystals import Crystal
from gnome_lite.store.query import COLUMNS, StoredCrystal

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms
    from pymatgen.core import Structure

SHOWN = (
    "MaterialId", "Reduced Formula", "Space Group", "NSites", "Energy Above Hull Per Atom", "Formation Energy Per Atom",
    "P Stable", "Novel", "Level",
)  # fmt: skip
"""Columns that a notebook shows."""
SHOWN_ROWS = 60


class QueryResult(Sequence[StoredCrystal]):
    """Stored crystals as a query sorted them."""

    def __init__(self, crystals: Sequence[StoredCrystal]) -> None:
        self._crystals = tuple(crystals)

    @overload
    def __getitem__(self, index: int) -> StoredCrystal: ...

    @overload
    def __getitem__(self, index: slice) -> QueryResult: ...

    def __getitem__(self, index: int | slice) -> StoredCrystal | QueryResult:
        return QueryResult(self._crystals[index]) if isinstance(index, slice) else self._crystals[index]

    def __len__(self) -> int:
        return len(self._crystals)

    def __repr__(self) -> str:
        return f"QueryResult of {len(self)} crystals: {', '.join(c.formula for c in self[:8])}" + ", ..." * (
            len(self) > 8
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a crystal, with the column names of GNoME's release where it has them; energies in eV/atom."""
        import pandas as pd

        return pd.DataFrame(to_rows(self), columns=list(COLUMNS))

    def structures(self) -> list[Structure]:
        """Return pymatgen structures: relaxed, or as proposed where there is no successful verification."""
        return [relaxed_or_proposed(c).to_pymatgen() for c in self]

    def atoms(self) -> list[Atoms]:
        """Return ASE atoms of the same crystals; `info` has id, formula, level and the energies in eV/atom.

        Relaxed ones carry the energy of their cell, too (`get_potential_energy`, eV).
        """
        from ase.calculators.singlepoint import SinglePointCalculator

        found = []
        for c in self:
            image = relaxed_or_proposed(c).to_ase()
            energies = {"e_form": c.e_form_ev_per_atom, "e_above_hull": c.e_above_hull_ev_per_atom}
            if c.crystal is not None and c.energy_ev is not None:
                image.calc = SinglePointCalculator(image, energy=c.energy_ev)
            image.info |= {"id": c.id, "formula": c.formula, **energies, "level": c.level}
            found.append(image)
        return found

    def _repr_html_(self) -> str:
        table: str = (
            self[:SHOWN_ROWS].to_pandas()[list(SHOWN)].to_html(index=False, na_rep="-", float_format="{:.3f}".format)
        )
        rest = f", the first {SHOWN_ROWS} shown" if len(self) > SHOWN_ROWS else ""
        return f"{table}<p>{len(self)} crystals{rest}; energies in eV/atom</p>"


def relaxed_or_proposed(stored: StoredCrystal) -> Crystal:
    """Return the relaxed crystal, or the one proposed where there is none."""
    return stored.crystal if stored.crystal is not None else stored.input_crystal


def to_rows(crystals: Sequence[StoredCrystal]) -> list[dict[str, Any]]:
    """Return one row a crystal, plain values under COLUMNS; what is not known is None."""
    return [{heading: _plain(getattr(c, name)) for heading, name in COLUMNS.items()} for c in crystals]


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
