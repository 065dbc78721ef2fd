"""What is new about a crystal beside the references of its formula, some of them reported, some only computed.

A verdict's `novel` says that a crystal is the same as no reference and no crystal verified before it. The references of
its reduced formula tell in what it is new:

| kind | references of its structure | references of its formula |
|---|---|---|
| *new formula* | none | none |
| *new structure* | none | reported compounds (and perhaps hypothetical ones) |
| *new to the reported list* | none | hypothetical ones alone |
| *new to the reported list*, and not novel | hypothetical ones alone | whatever |
| no kind: a reported compound | a reported compound | |

Two crystals are of one structure if the novelty index takes them for the same, volume aside. "New" is new to the
references and to nothing else: a compound that somebody has made and nobody has entered is new here. Crystals that were
verified earlier are no references, so a kind does not depend on who was verified first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from gnome_lite.core.origins import Origin


class NoveltyKind(StrEnum):
    """One kind of new crystal; the module says what each means."""

    FORMULA = "new formula"
    STRUCTURE = "new structure"
    TO_REPORTED = "new to the reported list"

    @property
    def meaning(self) -> str:
        """What the references hold, in a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    NoveltyKind.FORMULA: "no reference has its formula",
    NoveltyKind.STRUCTURE: "reported compounds have its formula, no reference has its structure",
    NoveltyKind.TO_REPORTED: "only hypothetical references have its formula or its structure",
}

_COUNTED = {
    NoveltyKind.FORMULA: ("new formula", "new formulas"),
    NoveltyKind.STRUCTURE: ("new structure of a reported formula", "new structures of reported formulas"),
    NoveltyKind.TO_REPORTED: ("formula known as hypothetical only", "formulas known as hypothetical only"),
}


def novelty_kind(of_structure: Iterable[Origin], of_formula: Iterable[Origin]) -> NoveltyKind | None:
    """Return what is new about a crystal, None if it is a reported compound.

    Args:
        of_structure: origins of the references that are the same crystal.
        of_formula: origins of all references of its reduced formula.
    """
    same, formula = set(of_structure), set(of_formula)
    if Origin.REPORTED in same:
        return None
    if same:
        return NoveltyKind.TO_REPORTED
    if not formula:
        return NoveltyKind.FORMULA
    return NoveltyKind.STRUCTURE if Origin.REPORTED in formula else NoveltyKind.TO_REPORTED


def count_kinds(kinds: Iterable[str | None]) -> dict[str, int]:
    """Return how many crystals are of each kind, those of no kind left out; kinds without any have 0."""
    found = Counter(kinds)
    return {str(kind): found[kind] for kind in NoveltyKind}


def kinds_in_words(counts: Mapping[str, int]) -> str:
    """Return counts as text: "12 new formulas, 1 new structure of a reported formula"; "" where all are 0."""
    return ", ".join(f"{n} {_COUNTED[kind][n != 1]}" for kind in NoveltyKind if (n := counts.get(kind, 0)))
