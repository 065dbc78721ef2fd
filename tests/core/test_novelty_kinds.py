"""What is new about a crystal, from the references of its structure and of its formula alone."""

from __future__ import annotations

from itertools import product

import pytest

from gnome_lite.core.novelty_kinds import NoveltyKind, count_kinds, kinds_in_words, novelty_kind
from gnome_lite.core.origins import Origin

REPORTED, HYPOTHETICAL = Origin.REPORTED, Origin.HYPOTHETICAL


@pytest.mark.parametrize(
    ("of_structure", "of_formula", "kind"),
    [
        ([], [], NoveltyKind.FORMULA),
        ([], [REPORTED], NoveltyKind.STRUCTURE),
        ([], [HYPOTHETICAL, REPORTED], NoveltyKind.STRUCTURE),
        ([], [HYPOTHETICAL], NoveltyKind.TO_REPORTED),
        ([HYPOTHETICAL], [HYPOTHETICAL], NoveltyKind.TO_REPORTED),
        ([HYPOTHETICAL], [HYPOTHETICAL, REPORTED], NoveltyKind.TO_REPORTED),
        ([REPORTED], [REPORTED], None),
        ([HYPOTHETICAL, REPORTED], [HYPOTHETICAL, REPORTED], None),
    ],
)
def test_each_kind(of_structure: list[Origin], of_formula: list[Origin], kind: NoveltyKind | None) -> None:
    assert novelty_kind(of_structure, of_formula) is kind


def test_a_novel_crystal_is_always_of_a_kind() -> None:
    """No reference has its structure: whatever the references of its formula, something is new."""
    for n in range(4):
        for of_formula in product((REPORTED, HYPOTHETICAL), repeat=n):
            assert novelty_kind([], of_formula) is not None


def test_counts_in_words() -> None:
    counts = count_kinds([NoveltyKind.FORMULA] * 12 + [NoveltyKind.STRUCTURE, None] + [NoveltyKind.TO_REPORTED] * 7)
    assert kinds_in_words(counts) == (
        "12 new formulas, 1 new structure of a reported formula, 7 formulas known as hypothetical only"
    )
    assert kinds_in_words(count_kinds([None])) == ""
    assert all(kind.meaning for kind in NoveltyKind)
