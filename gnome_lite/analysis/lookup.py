"""Phases by what a user types: an id, the beginning of one, or a formula."""

from __future__ import annotations

from gnome_lite.core.crystals import formula_counts, reduced_formula
from gnome_lite.core.errors import GnomeLiteError
from gnome_lite.core.phases import PhaseSet


def find_phase(phases: PhaseSet, text: str) -> int:
    """Return the place of a phase by its id, an unambiguous beginning of it, or a formula (its lowest phase).

    Raises:
        GnomeLiteError: if there is none, or more than one.
    """
    if text in phases:
        return phases.index(text)
    begin = [i for i, name in enumerate(phases.ids) if name.startswith(text)] if text else []
    if len(begin) == 1:
        return begin[0]
    if len(begin) > 1:
        raise GnomeLiteError(f"{len(begin)} phases have ids that begin with {text!r}: give more of it")
    try:
        formula = reduced_formula(formula_counts(text))
    except ValueError:
        formula = ""
    same = [i for i in phases.by_formula[0].tolist() if phases.formulas[i] == formula]
    if not same:
        raise GnomeLiteError(
            f"no phase {text!r} with an energy at level {phases.level}: give the id of a verified crystal or of a "
            "reference (`gnome-lite query` lists crystals), or the formula of one of them"
        )
    return same[0]
