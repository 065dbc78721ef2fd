"""Reported compounds at a level: what is held against the table, and which phases come of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.assemble import make_novelty
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.records import Failure, Verification
from gnome_lite.seed.reported_phases import MAX_ATOMS, as_csv, candidates_of, check, phases_of
from gnome_lite.sources.reported_table import TableEntry
from gnome_lite.sources.structure_types import structure_type

SALT = structure_type(
    "rock-salt",
    {"formula": "NaCl", "space_group": 225, "cell": [5.64], "sites": ["Na 4a 0 0 0", "Cl 4b 1/2 1/2 1/2"]},
)


def entry(formula: str, volume: float | None, name: str = "") -> TableEntry:
    return TableEntry("a.csv, line 2", formula, SALT, name, volume, SALT.with_formula(formula))


def relaxed(crystal: Crystal, energy_ev: float = -7.0, scale: float = 1.0) -> Verification:
    grown = Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * scale)
    return Verification(crystal.content_id, grown, energy_ev, 0.01, 3, True, "here", 0.1)


def test_what_is_as_reported_has_no_remark() -> None:
    halite = entry("NaCl", 44.9)
    found = check(halite, relaxed(halite.crystal))
    assert (found.space_group_number, found.remark, found.kept) == (225, "", True)
    assert found.volume_ratio == pytest.approx(5.64**3 / 4 / 44.9)


def test_another_volume_or_space_group_is_a_remark() -> None:
    halite = entry("NaCl", 44.9)
    assert check(halite, relaxed(halite.crystal, scale=1.04)).remark == "volume 1.12 of the reported"
    sheared = halite.crystal.lattice @ np.array([[1, 0, 0], [0, 1, 0.2], [0, 0, 1.0]])
    other = replace(relaxed(halite.crystal), crystal=Crystal.make([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], sheared))
    found = check(halite, other)
    assert "reported 225" in found.remark
    assert found.kept, "it is a phase of that formula, whatever its symmetry"


def test_a_failure_is_no_phase_but_a_line() -> None:
    halite = entry("NaCl", None, "halite")
    failed = replace(relaxed(halite.crystal), energy_ev=np.nan, failure=Failure.EXPLODED, detail="flew apart")
    found = check(halite, failed)
    assert phases_of([found], make_novelty()) == []
    assert as_csv([found]).splitlines()[1] == "NaCl,rock-salt,halite,,,,exploded: flew apart"


def test_of_equal_crystals_the_lowest_is_kept_under_its_name() -> None:
    low, high, other = entry("NaCl", None, "halite"), entry("NaCl", None), entry("KCl", None, "sylvite")
    checked = [check(e, relaxed(e.crystal, v)) for e, v in ((high, -6.9), (low, -7.0), (other, -6.5))]
    phases = phases_of(checked, make_novelty())
    assert sorted(p.source for p in phases) == ["reported: halite, rock-salt type", "reported: sylvite, rock-salt type"]
    assert all(p.id.startswith("reported-") and "225" in p.fingerprint for p in phases)


def test_small_cells_come_first_and_large_ones_not_at_all(tmp_path: Path) -> None:
    numbers = np.tile([11, 17], MAX_ATOMS)
    large = replace(
        entry("NaCl", None),
        crystal=Crystal.make(numbers, np.random.default_rng(0).random((len(numbers), 3)), 20 * np.eye(3)),
    )
    planned = candidates_of([large, entry("KCl", None), entry("KCl", None, "twice")])
    assert [c.generator for _, c in planned] == ["reported"]
