"""Matches with made compounds: by structure, by formula and space group, by formula only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from samples.small_campaign import CRYSTALS, rocksalt

from gnome_lite.assemble import make_novelty
from gnome_lite.core.crystals import Crystal
from gnome_lite.report.reported_matches import By, match_reported
from gnome_lite.sources.reported import ReportedCompound
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query, StoredCrystal


def stored(played: SqlStore) -> dict[str, StoredCrystal]:
    return {c.formula: c for c in played.query(Query())}


def listed(name: str, formula: str, group: int | None = None, crystal: Crystal | None = None) -> ReportedCompound:
    return ReportedCompound(name, formula, group, crystal)


def test_each_way_is_told_apart(played: SqlStore) -> None:
    crystals = list(stored(played).values())
    turned = Crystal.from_pymatgen(rocksalt(3, 9, 4.3).to_pymatgen().make_supercell([[1, 1, 0], [0, 1, 1], [1, 0, 1]]))
    made = [
        listed("structure", "LiF", crystal=turned),
        listed("group", "NaCl", 225),
        listed("other polymorph", "KCl", 221),
        listed("never predicted", "SrTiO3", 221),
    ]
    result = match_reported(made, crystals, make_novelty())
    assert {(m.crystal.formula, m.by, m.names) for m in result.matches} == {
        ("LiF", By.STRUCTURE, ("structure",)),
        ("NaCl", By.SPACE_GROUP, ("group",)),
        ("KCl", By.FORMULA, ("other polymorph",)),
    }
    # LiF is novel and stable, NaCl novel and above the hull, KCl in the reference set.
    assert (result.novel_stable.crystals, result.novel_stable.made) == (1, 1)
    assert (result.novel_unstable.structure, result.novel_unstable.space_group) == (0, 1)
    assert (result.known.made, result.known.formula) == (0, 1)


def test_another_structure_of_the_same_formula_and_group_is_no_match(played: SqlStore) -> None:
    """The list has a structure: its space group is not asked."""
    cscl = Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], 3.5 * np.eye(3))
    result = match_reported([listed("cscl", "NaCl", crystal=cscl)], list(stored(played).values()), make_novelty())
    assert [m.by for m in result.matches] == [By.FORMULA]


def test_the_other_hand_is_the_same(played: SqlStore) -> None:
    left = replace(stored(played)["LiF"], space_group_number=152)
    result = match_reported([listed("right", "LiF", 154)], [left], make_novelty())
    assert [m.by for m in result.matches] == [By.SPACE_GROUP]


def test_failed_and_unverified_crystals_match_nothing(played: SqlStore) -> None:
    everything = played.query(Query(include_unverified=True))
    result = match_reported([listed("x", "SrTiO3", 221), listed("y", "HfC", 225)], everything, make_novelty())
    assert result.matches == ()
    assert len(CRYSTALS) == len(everything)
