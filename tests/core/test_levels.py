"""Which corrections hold at which level, and that a hull refuses a level that does not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import CalculatorError, LevelMismatchError
from gnome_lite.core.levels import Corrections, corrections_of, named_with, require_corrections_said
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase


@pytest.mark.parametrize(
    ("calculator", "kwargs", "held", "end"),
    [
        ("chgnet", {}, Corrections.INCLUDED, ""),
        ("chgnet-r2scan", {}, Corrections.NONE, ""),
        ("gpaw", {"xc": "PBE"}, Corrections.NONE, ""),
        ("emt", {}, Corrections.NONE, ""),
        ("mine:make", {}, Corrections.NONE, ""),
        ("sevennet", {}, Corrections.MP2020, "-mp2020"),
        ("sevennet", {"checkpoint": "7net-l3i5", "device": "cuda"}, Corrections.MP2020, "-mp2020"),
        ("sevennet", {"checkpoint": "7net-mf-0", "modal": "R2SCAN"}, Corrections.NONE, ""),
        ("mace", {"checkpoint": "medium-mpa-0"}, Corrections.MP2020, "-mp2020"),
        ("mace", {"checkpoint": "mace-matpes-pbe-0"}, Corrections.NONE, ""),
        ("orb", {}, Corrections.MP2020, "-mp2020"),
        ("mattersim", {}, Corrections.MP2020, "-mp2020"),
        ("matgl", {}, Corrections.NONE, ""),
        ("matgl", {"checkpoint": "M3GNet-MP-2021.2.8-PES"}, Corrections.MP2020, "-mp2020"),
    ],
)
def test_corrections_go_by_what_a_potential_was_trained_on(
    calculator: str, kwargs: dict[str, str], held: Corrections, end: str
) -> None:
    assert corrections_of(calculator, kwargs) is held
    level = "-".join([calculator, "1.0", *kwargs.values(), *(["MatPES"] if (calculator, end) == ("matgl", "") else [])])
    name = named_with(level, calculator, held)
    assert name == level + end
    require_corrections_said(name)
    require_corrections_said(f"{name}-single-point")


def test_what_the_user_says_counts() -> None:
    assert corrections_of("mine:make", {}, "mp2020") is Corrections.MP2020
    assert corrections_of("sevennet", {}, "none") is Corrections.NONE
    assert named_with("sevennet-1", "sevennet", Corrections.NONE) == "sevennet-1-uncorrected"


def test_weights_of_ones_own_and_corrections_counted_twice_are_refused(tmp_path: Path) -> None:
    weights, folder = tmp_path / "mine.pt", tmp_path / "mine"
    weights.touch()
    folder.mkdir()
    with pytest.raises(CalculatorError, match=r"mine was trained on: set verify\.corrections"):
        corrections_of("matgl", {"checkpoint": str(folder)})
    with pytest.raises(CalculatorError, match=r"mine\.pt was trained on: set verify\.corrections"):
        corrections_of("mace", {"checkpoint": str(weights)})
    assert corrections_of("mace", {"checkpoint": str(weights)}, "mp2020") is Corrections.MP2020
    with pytest.raises(CalculatorError, match="carry them already"):
        corrections_of("chgnet", {}, "mp2020")


def test_a_hull_refuses_a_level_that_does_not_say(rocksalt: Crystal) -> None:
    raw = [Phase("a", rocksalt, -7.0, "sevennet-0.13.0-7net-0-0123abcd", "test", "CC0")]
    with pytest.raises(LevelMismatchError, match="does not say which corrections hold"):
        PhaseSet.make(raw, {"Na": -1.0, "Cl": -2.0})
