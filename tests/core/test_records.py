"""Reference sets and formation energies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.errors import LevelMismatchError, MissingReferenceError, SourceError
from gnome_lite.core.formation import formation_energies
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import CandidatePool, Phase


def entry(name: str, crystal: Crystal, energy: float, level: str = "test") -> Phase:
    return Phase(name, crystal, energy, level, "test", "CC0")


def simple(*numbers: int) -> Crystal:
    return Crystal.make(numbers, np.linspace(0, 0.8, 3 * len(numbers)).reshape(-1, 3), np.eye(3) * 4)


def test_reference_set_knows_its_elements_and_formation_energies() -> None:
    entries = [
        entry("na-high", simple(11), -1.0),
        entry("na", simple(11, 11), -2.6),
        entry("cl", simple(17, 17), -3.6),
        entry("nacl", simple(11, 17), -6.8),
    ]
    references = PhaseSet.make(entries)
    assert references.elemental_ev_per_atom == pytest.approx({"Cl": -1.8, "Na": -1.3})
    by_id = dict(zip((e.id for e in references), references.e_form_ev_per_atom, strict=True))
    assert by_id == pytest.approx({"na-high": 0.3, "na": 0.0, "cl": 0.0, "nacl": (-6.8 + 1.3 + 1.8) / 2})


def test_reference_set_id_depends_on_content_not_order() -> None:
    a, b = entry("a", simple(11), -1.0), entry("b", simple(17), -2.0)
    assert PhaseSet.make([a, b]).id == PhaseSet.make([b, a]).id
    assert PhaseSet.make([a, b]).id != PhaseSet.make([a, entry("b", simple(17), -2.1)]).id
    assert PhaseSet.make([a]).id != PhaseSet.make([entry("a", simple(11), -1.0, "other")]).id


def test_reference_set_refuses_what_would_poison_a_hull() -> None:
    with pytest.raises(LevelMismatchError, match="test, vasp"):
        PhaseSet.make([entry("a", simple(11), -1.0), entry("b", simple(17), -1.0, "vasp")])
    with pytest.raises(SourceError, match="b has no finite energy"):
        PhaseSet.make([entry("a", simple(11), -1.0), entry("b", simple(17), math.nan)])
    with pytest.raises(SourceError, match="empty"):
        PhaseSet.make([])


def test_missing_elemental_reference_is_named() -> None:
    with pytest.raises(MissingReferenceError, match=r"for Cl \(needed by NaCl\)"):
        formation_energies(CrystalBatch.from_crystals([simple(11, 17)]).counts, [-6.0], {"Na": -1.3})


def test_pool_take_keeps_columns_together() -> None:
    crystals = CrystalBatch.from_crystals([simple(11), simple(12), simple(13)])
    pool = CandidatePool(
        crystals, ("a", "b", "c"), ("x", "y", "z"), ("g",) * 3, np.array([0.1, 0.2, 0.3]), np.ones(3, np.int64), 4
    )
    for taken in (pool.take([2, 0]), CandidatePool.concatenate([pool.take([2]), pool.take([0])], 4)):
        assert [taken.candidate(i).parent_id for i in range(2)] == ["c", "a"]
        assert [taken.candidate(i).change for i in range(2)] == ["z", "x"]
        assert taken.probabilities.tolist() == [0.3, 0.1]
        assert taken.crystals.numbers.tolist() == [13, 11]
    first = pool.candidate(0)
    assert (first.id, first.round) == (first.crystal.content_id, 4)
    assert len(CandidatePool.concatenate([], 1)) == 0
