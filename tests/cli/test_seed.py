"""`seed`: hypothetical compounds of a small reference set, relaxed once, and gone on with from what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.core.origins import is_reported
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.reference_files import read_references, write_references
from tests.cli.conftest import Call


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Directory of a seed of two elements and their reported compounds."""
    seed = SeedSource(hypothetical=False).load()
    some = [p for p in seed.take(seed.crystals.within(["Cs", "Te"])) if len(p.crystal) <= 12]
    (tmp_path / "seed").mkdir()
    write_references(tmp_path / "seed" / "references.parquet", [p for p in some if not is_reported(p.source)])
    write_references(tmp_path / "seed" / "reported.parquet", [p for p in some if is_reported(p.source)])
    (tmp_path / "seed" / "replaced.txt").write_text("")
    return tmp_path / "seed"


def test_a_second_machine_goes_on_with_what_the_first_has_written(call: Call, tmp_path: Path, small: Path) -> None:
    arguments = "--out", small, "--processes", 1
    first = call("seed", "hypothetical", *arguments, "--compounds", 2, "--home", tmp_path / "one")
    assert first.code == 0, first
    assert "2 compounds that were relaxed; 0 were there before" in first.out
    made = read_references(small / "hypothetical.parquet")
    assert {p.id for p in made} == {p.id for p in read_references(small / "hypothetical-inputs.parquet")}
    assert 1 <= len(made) <= 2
    second = call("seed", "hypothetical", *arguments, "--compounds", 4, "--home", tmp_path / "two")
    assert second.code == 0, second
    assert f"; {len(made)} were there before" in second.out
    now = read_references(small / "hypothetical.parquet")
    assert {p.id for p in made} < {p.id for p in now}
    assert len(SeedSource(small / "references.parquet").load()) == len(now) + len(
        SeedSource(small / "references.parquet", hypothetical=False).load()
    )
    third = call("seed", "hypothetical", *arguments, "--compounds", 4, "--home", tmp_path / "three", "--so-far")
    assert third.code == 0, third
    assert [p.id for p in read_references(small / "hypothetical.parquet")] == [p.id for p in now]
