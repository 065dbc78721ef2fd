"""References from users' files and folders, at one level."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.core.errors import SourceError
from gnome_lite.core.formats import extxyz_frame
from gnome_lite.sources.file_references import FileSource

from .test_files import ENERGY_EV, FILES, HALITE

LEVEL = "chgnet-0.3.0"
OF_ANOTHER = extxyz_frame(HALITE, {"energy": ENERGY_EV, "level": "other-1", "name": "one"}).encode()


def test_a_file_with_energies(tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").write_bytes(FILES["a.extxyz"])
    references = FileSource([tmp_path / "a.extxyz"], LEVEL).load()
    assert len(references) == 1
    assert references.level == LEVEL
    assert references[0].energy_ev == ENERGY_EV
    assert references[0].source == "file a.extxyz: a-1"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.cif", FILES["a.cif"], rf"a\.cif: a has no energy: references need energies at level {LEVEL}"),
        ("b.extxyz", OF_ANOTHER, rf"b\.extxyz: one has an energy of level other-1, not {LEVEL}"),
    ],
)
def test_references_need_energies_of_the_level(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    """A file that is named is refused; in a folder it is left out, by name and cause, unless nothing else is there."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{why}; `gnome-lite references add` relaxes it"):
        FileSource([tmp_path / name], LEVEL).load()
    with pytest.raises(SourceError, match=f"no file of .* holds a reference; .*{why}"):
        FileSource([tmp_path], LEVEL).load()
    (tmp_path / "good.db").write_bytes(FILES["a.db"])
    (tmp_path / "bad.cif").write_bytes(b"data_x")
    references = FileSource([tmp_path], LEVEL).load()
    assert len(references) == 1
    assert sorted(cause.partition(": ")[0].partition(" ")[0] for cause in references.left_out) == sorted(
        [str(tmp_path / "bad.cif"), str(tmp_path / name)]
    )
