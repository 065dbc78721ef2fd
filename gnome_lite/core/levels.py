"""Levels of theory: which corrections to DFT energies hold at each, so that elements and oxides share one scale.

Potentials trained on the Materials Project's energies reproduce a mixture of PBE and PBE+U, with the errors of PBE for
anions. Without MaterialsProject2020Compatibility (Wang et al., Scientific Reports 11, 15496 (2021)) their oxides and
elements stand on two scales. CHGNet 0.3.0 was trained on corrected energies; r2SCAN and MatPES energies need none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from gnome_lite.core.errors import CalculatorError, LevelMismatchError


class Corrections(StrEnum):
    """What is done about the errors of a level's functional."""

    NONE = "none"
    """One functional throughout, its energies as they are."""
    INCLUDED = "included"
    """The potential was trained on corrected energies."""
    MP2020 = "mp2020"
    """MaterialsProject2020Compatibility is applied to each energy; part of the level's name."""


RAW_MP = frozenset({"sevennet", "mace", "orb", "mattersim", "matgl"})
"""Calculators most of whose potentials were trained on the Materials Project's uncorrected PBE and PBE+U energies."""
ONE_FUNCTIONAL = ("r2scan", "matpes")
"""Words in the name of a potential, or of its head, that was trained on energies of one functional."""
SAID = (f"-{Corrections.MP2020}", "-uncorrected")
"""Ends of a level's name that say which corrections hold, where its calculator alone does not."""


def corrections_of(calculator: str, kwargs: Mapping[str, object], chosen: str = "auto") -> Corrections:
    """Return which corrections hold for the energies of a calculator with these arguments.

    Args:
        chosen: `verify.corrections`: "mp2020", "none", or "auto" for what is known of the potential.

    Raises:
        CalculatorError: if nothing is known of the potential, or the corrections would be counted twice.
    """
    if calculator == "chgnet":
        if chosen == Corrections.MP2020:
            raise CalculatorError("CHGNet's energies carry them already: leave verify.corrections out")
        return Corrections.INCLUDED
    if chosen != "auto":
        return Corrections(chosen)
    if calculator not in RAW_MP:
        return Corrections.NONE
    names = [str(kwargs[key]) for key in ("checkpoint", "model", "modal") if kwargs.get(key)]
    if any(map(_of_one_functional, names)):
        return Corrections.NONE
    if calculator == "matgl" and not names:
        return Corrections.NONE  # its default is trained on MatPES
    files = [name for name in names if Path(name).exists()]
    if files:
        raise CalculatorError(
            f"nothing is known of the energies that {files[0]} was trained on: set verify.corrections = 'mp2020' for "
            "the Materials Project's own PBE / PBE+U energies, or 'none' for one functional or corrected ones"
        )
    return Corrections.MP2020


def named_with(level: str, calculator: str, corrections: Corrections) -> str:
    """Return the name of a level with what it has to say of its corrections."""
    if corrections is Corrections.MP2020:
        return f"{level}-{Corrections.MP2020}"
    if calculator in RAW_MP and not _of_one_functional(level):
        return f"{level}-uncorrected"
    return level


def require_corrections_said(level: str) -> None:
    """Refuse a level whose energies may stand on two scales.

    Raises:
        LevelMismatchError: if it is one of a potential of raw PBE / PBE+U energies and says nothing of corrections.
    """
    name = level.removesuffix("-single-point")
    calculator = name.partition("-")[0]
    if calculator in RAW_MP and not name.endswith(SAID) and not _of_one_functional(name):
        raise LevelMismatchError(
            f"level {level} does not say which corrections hold: its elements and oxides may stand on two scales; "
            "compute its energies anew (`gnome-lite references compute`), which adds the corrections of MP2020"
        )


def _of_one_functional(name: str) -> bool:
    return any(word in name.lower() for word in ONE_FUNCTIONAL)
