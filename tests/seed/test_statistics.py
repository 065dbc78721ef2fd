"""What is said of a reference set, on a small one counted by hand.

Covers `statistics` and `report.coverage`.
"""

from __future__ import annotations

import numpy as np
import pytest

from gnome_lite.assemble import make_novelty
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase, TrainingSet
from gnome_lite.report.coverage import coverage_figure
from gnome_lite.seed.statistics import compare_labels, datasheet
from gnome_lite.stability.hull import build_hull

ROCKSALT = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def pair(a: int, b: int, length: float = 5.0) -> Crystal:
    return Crystal.make([a, b], [[0, 0, 0], [0.5, 0.5, 0.5]], ROCKSALT * length)


def caesium_chloride(a: int, b: int) -> Crystal:
    return Crystal.make([a, b], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 3.4)


@pytest.fixture(scope="module")
def references() -> PhaseSet:
    crystals = [Crystal.make([z], [[0, 0, 0]], ROCKSALT * 4) for z in (3, 11, 9, 17)]
    energies = [0.0] * 4
    crystals += [pair(3, 9), pair(11, 17), caesium_chloride(11, 17)]
    energies += [-6.0, -4.0, -3.8]
    crystals.append(Crystal.make([3, 3, 9, 17], np.eye(4)[:, :3] / 2, np.eye(3) * 4))
    energies.append(-9.0)
    return PhaseSet.make(
        [Phase(f"r{i}", c, e, "L", "test", "CC0") for i, (c, e) in enumerate(zip(crystals, energies, strict=True))]
    )


def test_pairs_systems_and_distances_are_counted(references: PhaseSet) -> None:
    sheet = datasheet(references, ("Li", "Na", "F", "Cl"), build_hull)
    # Li, LiF, Li2FCl; NaCl twice.
    assert sheet.with_both.tolist() == [[3, 0, 2, 1], [0, 3, 0, 2], [2, 0, 3, 1], [1, 2, 1, 4]]
    assert sheet.systems == {2: (2, 6), 3: (1, 4), 4: (0, 1)}
    # LiF -3 eV/atom, NaCl 0 and 0.1 above it, Li2FCl above LiF + Li + Cl (-6 of 4 atoms) by nothing: it is below.
    assert sorted(sheet.e_above_hull_ev_per_atom.round(9)) == [0.0, 0.0, 0.0, 0.1]
    assert datasheet(references, ("Na", "Cl"), build_hull).systems[2] == (1, 1)


def test_the_same_structures_are_compared_and_no_others(references: PhaseSet) -> None:
    others = TrainingSet(
        CrystalBatch.from_crystals([pair(11, 17, 5.6), caesium_chloride(3, 9), pair(11, 9)]),
        np.array([-2.1, -2.5, -2.0]),
    )
    found = compare_labels(references, others, make_novelty())
    assert found.formulas == 2  # NaCl and LiF
    assert found.here_ev_per_atom.tolist() == [-2.0]
    assert found.difference_ev_per_atom == pytest.approx([0.1])


def test_the_picture_shows_both(references: PhaseSet) -> None:
    figure = coverage_figure(datasheet(references, ("Li", "Na", "F", "Cl"), build_hull), "title")
    pairs, distances = figure.axes[:2]
    assert {t.get_text() for t in pairs.texts} == {"1", "2", "3", "4"}
    assert "2 of 6 binary" in pairs.get_title(loc="left")
    assert sum(p.get_height() for p in distances.patches) == 4
