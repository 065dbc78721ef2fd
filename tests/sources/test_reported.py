"""Lists of made compounds: tables and directories, with what cannot be used counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import SourceError
from gnome_lite.sources.reported import read_reported


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text("\ufeffID,Formula,Space Group\n1,Na2Cl2,Fm-3m\n,LiF,225\n3,K2S,\n4,Foo,1\n5,NaCl,999\n6,Li0.5O,1\n")
    found, skipped = read_reported(path)
    assert [(m.name, m.formula, m.space_group_number) for m in found] == [
        ("1", "NaCl", 225),
        ("line 3", "LiF", 225),
        ("3", "K2S", None),
    ]
    assert skipped == {"no formula of whole numbers": 2, "unknown space group": 1}


def test_our_own_summary_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "stable_summary.csv"
    path.write_text("MaterialId,Reduced Formula,Space Group Number\ngl-1,NaCl,225\n")
    (one,), skipped = read_reported(path)
    assert (one.name, one.formula, one.space_group_number) == ("gl-1", "NaCl", 225)
    assert not skipped


def test_a_directory_of_files_of_which_one_is_bad(tmp_path: Path, rocksalt: Crystal) -> None:
    rocksalt.to_pymatgen().to(filename=str(tmp_path / "good.cif"))
    (tmp_path / "bad.cif").write_text("data_x\nnothing")
    (tmp_path / "notes.txt").write_text("not a crystal")
    found, skipped = read_reported(tmp_path)
    assert [(m.name, m.formula) for m in found] == [("good.cif", "NaCl")]
    assert found[0].crystal is not None
    assert sum(skipped.values()) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no_column.csv", "a,b\n1,2\n", "no column 'formula'"),
        ("empty.csv", "formula\n", "holds no compound"),
        ("bad.csv", "formula\nFoo\n", "no formula of whole numbers 1"),
        ("bytes.csv", b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SourceError, match=says):
        read_reported(path)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no list"):
        read_reported(tmp_path / "nothing")
