"""The table of reported compounds: every line makes a crystal; lines that do not are named."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.core.crystals import formula_counts, reduced_formula
from gnome_lite.core.errors import SourceError
from gnome_lite.core.origins import is_reported
from gnome_lite.sources.reported_table import read_table

TABLE = Path(__file__).resolve().parents[2] / "data" / "reported"
HEAD = "formula,structure_type,name,volume\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    for name in ("structure_types", "compounds"):
        (folder / name).mkdir()
    (folder / "structure_types" / "a.toml").write_text((TABLE / "structure_types" / "basic.toml").read_text())
    (folder / "compounds" / "a.csv").write_text(
        f"{HEAD}NaCl,rock-salt,halite,44.9\nOLi2,fluorite,,\nFeFe2O4,spinel,magnetite,74.0\nNaCl,rock-salt,again,\n"
    )
    return folder


def test_a_line_is_a_crystal_at_the_reported_volume(small: Path) -> None:
    salt, oxide, magnetite = read_table(small)
    assert salt.crystal.volume == pytest.approx(44.9)
    assert salt.source == "reported: halite, rock-salt type"
    assert (oxide.crystal.reduced_formula, oxide.source) == ("Li2O", "reported: fluorite type")
    assert 15 < oxide.crystal.volume < 35, "24.6 Å^3 are measured"
    assert magnetite.crystal.reduced_formula == "Fe3O4"
    assert magnetite.crystal.volume == pytest.approx(2 * 74.0)
    assert is_reported(salt.source)
    assert not is_reported("gnome_lite seed, random")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("NaCl,no-such,,", "no structure type 'no-such'"),
        ("NaCl2,rock-salt,,", "order and with the numbers of NaCl"),
        ("NaCl,rock-salt,,much", "could not convert"),
        ("NaCl,rock-salt,,-3", "a volume of -3"),
        ("NaCl,rock-salt,,nan", "a volume of nan"),
    ],
)
def test_a_bad_line_is_named(small: Path, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "compounds").mkdir()
    (tmp_path / "structure_types").symlink_to(small / "structure_types")
    (tmp_path / "compounds" / "b.csv").write_text(f"{HEAD}{line}\n")
    with pytest.raises(SourceError, match=f"b.csv, line 2: .*{said}"):
        read_table(tmp_path)
    (tmp_path / "compounds" / "b.csv").write_text("formula,type\nNaCl,rock-salt\n")
    with pytest.raises(SourceError, match="name them formula,structure_type,name,volume"):
        read_table(tmp_path)
    (tmp_path / "compounds" / "b.csv").write_text(HEAD)
    with pytest.raises(SourceError, match="holds no compounds"):
        read_table(tmp_path)


def test_the_shipped_table_is_sound_and_holds_the_everyday_compounds() -> None:
    """All lines are read, none twice; of what everybody would look up nearly all is there in its space group."""
    entries = read_table(TABLE)
    assert len(entries) > 9000
    assert len({e.structure_type.name for e in entries}) > 600
    volumes = np.array([e.crystal.volume / len(e.crystal) for e in entries])
    assert volumes.min() > 4
    assert volumes.max() < 80
    held = {(e.crystal.reduced_formula, e.structure_type.space_group_number) for e in entries}
    with (TABLE / "everyday.csv").open(encoding="utf-8", newline="") as file:
        wanted = [
            (reduced_formula(formula_counts(row["formula"])), int(row["space_group"])) for row in csv.DictReader(file)
        ]
    missing = [key for key in wanted if key not in held]
    assert len(missing) <= 0.05 * len(wanted), missing
