"""Corrections of the Materials Project to PBE and PBE+U energies, by pymatgen, for potentials trained without them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gnome_lite.core.crystals import Crystal, symbol

if TYPE_CHECKING:
    from pymatgen.entries.computed_entries import ComputedStructureEntry


class UncorrectableError(ValueError):
    """A crystal for which the corrections are not defined."""


def corrected_mp2020(crystal: Crystal, energy_ev: float) -> float:
    """Return the energy of a cell with the corrections of MaterialsProject2020Compatibility, eV.

    Each crystal counts as computed as the Materials Project computes it: with a Hubbard U for the elements of
    MPRelaxSet's table where O or F is the most electronegative element, by plain PBE elsewhere. A. Wang et al.,
    Scientific Reports 11, 15496 (2021).

    Args:
        crystal: relaxed crystal; its distances tell oxides, peroxides and superoxides apart.
        energy_ev: PBE or PBE+U energy, eV.

    Raises:
        UncorrectableError: if pymatgen would drop the crystal; says why.
    """
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = crystal.to_pymatgen()
    hubbards = hubbards_ev(crystal)
    parameters = {
        "run_type": "GGA+U" if hubbards else "GGA",
        "is_hubbard": bool(hubbards),
        "hubbards": {e.symbol: hubbards.get(e.symbol, 0.0) for e in structure.elements} if hubbards else {},
    }
    try:
        return corrected_entry_mp2020(ComputedStructureEntry(structure, energy_ev, parameters=parameters))
    except UncorrectableError as error:
        raise UncorrectableError(f"{structure.composition.reduced_formula}: {error}") from error


def corrected_entry_mp2020(entry: ComputedStructureEntry) -> float:
    """Return the energy of an entry, eV, corrected by the run type and U values that it names.

    Raises:
        UncorrectableError: if pymatgen would drop the entry; says why.
    """
    from pymatgen.analysis.compatibility import CompatibilityError

    try:
        adjustments = _scheme().get_adjustments(entry)
    except CompatibilityError as error:
        raise UncorrectableError(" ".join(str(error).split())) from error
    return float(entry.energy) + float(sum(a.value for a in adjustments))


def hubbards_ev(crystal: Crystal) -> dict[str, float]:
    """Return the U of MPRelaxSet for the elements that get one in this crystal, eV, by symbol."""
    elements = {symbol(z) for z in np.unique(crystal.numbers)}
    anion = _most_electronegative(frozenset(elements))
    return {e: u for e, u in _hubbard_table().get(anion, {}).items() if e in elements and u}


@cache
def _scheme() -> Any:
    from pymatgen.analysis.compatibility import MaterialsProject2020Compatibility

    # POTCARs are checked where there are any (`files.result_readers`): a potential was trained on the right ones.
    return MaterialsProject2020Compatibility(check_potcar=False)


@cache
def _hubbard_table() -> dict[str, dict[str, float]]:
    from pymatgen.io.vasp.sets import MPRelaxSet

    return {anion: dict(u) for anion, u in MPRelaxSet.CONFIG["INCAR"]["LDAUU"].items() if isinstance(u, dict)}


@cache
def _most_electronegative(elements: frozenset[str]) -> str:
    from pymatgen.core import Element

    return max(elements, key=lambda e: Element(e).X)
