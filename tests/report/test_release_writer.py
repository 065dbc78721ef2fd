"""Releases: what is in them, that they read back as the same hull, and that a changed byte is found.

Covers `release_writer`, `release_datasheet` and `sources.release_reader`.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from samples.small_campaign import higher, references

from gnome_lite.core.errors import ConfigError, LevelMismatchError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.predict.train import in_training
from gnome_lite.report.release_writer import Released, write_release
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.combined import CombinedSource
from gnome_lite.sources.release_reader import ReleaseSource, check_files
from gnome_lite.stability.hull import build_hull
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query


def phases_of(store: SqlStore) -> PhaseSet:
    return references().add([v for v in store.verifications("test-1") if v.ok])


@pytest.fixture
def known(played: SqlStore) -> PhaseSet:
    return phases_of(played)


@pytest.fixture
def released(played: SqlStore, known: PhaseSet, tmp_path: Path) -> Released:
    return write_release(
        tmp_path / "release", known, played.query(Query()), near_hull_ev_per_atom=9.0, in_training=in_training
    )


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_read_back_it_is_the_same_hull(released: Released, known: PhaseSet) -> None:
    again = ReleaseSource(released.directory).load()
    assert {e.id: e.energy_ev for e in again} == {e.id: e.energy_ev for e in known}
    assert again.level == known.level
    assert build_hull(again).id == released.hull_id == build_hull(known).id
    crystals = {e.id: e.crystal for e in known if e.id not in known.references}
    for e in again:
        if e.id in crystals:
            assert e.crystal.as_lists() == crystals[e.id].as_lists()
            assert e.licence == "CC-BY-4.0"
        else:
            assert e.licence == "CC0"
    # And verdicts of a hull of the release alone are those in its tables.
    hull = build_hull(again)
    for row in table(released.directory / "stable_summary.csv"):
        (verdict,) = hull.verdicts([row["MaterialId"]])
        assert float(row["Decomposition Energy Per Atom"]) == pytest.approx(
            verdict.decomposition_ev_per_atom, abs=1e-12
        )
        assert float(row["Energy Above Hull Per Atom"]) == pytest.approx(verdict.e_above_hull_ev_per_atom, abs=1e-12)
        assert row["Hull Id"] == hull.id


def test_the_columns_are_gnomes_and_more(released: Released) -> None:
    rows = table(released.directory / "stable_summary.csv")
    assert {
        "Composition", "MaterialId", "Reduced Formula", "Elements", "NSites", "Volume", "Density", "Point Group",
        "Space Group", "Space Group Number", "Crystal System", "Formation Energy Per Atom",
        "Decomposition Energy Per Atom", "Is Train", "Dimensionality Larsen", "Level", "Hull Id", "Parent Id", "Change",
        "Model Id", "Licence", "Decomposition Reaction",
    } <= rows[0].keys()  # fmt: skip
    assert "Bandgap" not in rows[0]
    lif = next(r for r in rows if r["Reduced Formula"] == "LiF")
    assert (lif["Point Group"], lif["Crystal System"], lif["Dimensionality Larsen"]) == ("m-3m", "cubic", "3")
    assert lif["Decomposition Reaction"] == "2 LiF -> 2 Li + F2"
    assert lif["Model Id"] == "model-0"
    assert lif["Is Train"] == str(bool(in_training(["LiF"])[0]))


def test_cifs_are_there_under_three_names(released: Released) -> None:
    n = released.stable + released.near_hull
    for stem in ("by_id", "by_reduced_formula", "by_composition"):
        with zipfile.ZipFile(released.directory / f"{stem}.zip") as file:
            names = file.namelist()
            assert len(set(names)) == n
            assert file.testzip() is None
            assert all("_atom_site_fract_x" in file.read(name).decode() for name in names)
    assert "by_reduced_formula/LiF.CIF" in zipfile.ZipFile(released.directory / "by_reduced_formula.zip").namelist()


def test_the_datasheet_says_how_it_was_made(released: Released) -> None:
    sheet = (released.directory / "DATASHEET.md").read_text()
    facts = json.loads((released.directory / "release.json").read_text())
    for words in (released.level, released.hull_id, "CC-BY-4.0", "CC0", "substitution", "model-0", "sources.releases"):
        assert words in sheet
    assert facts["counts"]["stable"] == released.stable == len(table(released.directory / "stable_summary.csv"))
    assert facts["counts"]["near the hull"] == len(table(released.directory / "near_hull_summary.csv"))
    assert facts["counts"]["hull entries"] == released.entries


def test_the_same_store_gives_the_same_bytes(
    played: SqlStore, known: PhaseSet, released: Released, tmp_path: Path
) -> None:
    again = write_release(
        tmp_path / "again", known, played.query(Query()), near_hull_ev_per_atom=9.0, in_training=in_training
    )
    assert again.files == released.files


def test_every_changed_byte_is_found(released: Released) -> None:
    assert check_files(released.directory) == len(released.files) == 9
    for name in released.files:
        path = released.directory / name
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(SourceError, match=f"{name} is not as it was written"):
                check_files(released.directory)
        path.unlink()
        with pytest.raises(SourceError, match=f"cannot read .*{name}"):
            check_files(released.directory)
        path.write_bytes(content)
    assert check_files(released.directory) == 9


def test_changed_entries_are_never_read(released: Released) -> None:
    path = released.directory / "hull_entries.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(SourceError, match="checksum differs"):
        ReleaseSource(released.directory).load()
    (released.directory / "SHA256SUMS").write_text("")
    with pytest.raises(SourceError, match="does not list"):
        ReleaseSource(released.directory).load()


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_release_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SourceError, match="is no release"):
        ReleaseSource(tmp_path / name).load()


def test_nothing_is_written_over_and_nothing_half(
    played: SqlStore, known: PhaseSet, released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="not empty"):
        write_release(released.directory, known, [])
    with pytest.raises(ConfigError, match="near-hull limit"):
        write_release(tmp_path / "other", known, [], near_hull_ev_per_atom=0.0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gnome_lite.report.release_writer.write_references", full)
    with pytest.raises(OSError, match="No space"):
        write_release(tmp_path / "full", known, played.query(Query()))
    assert {p.name for p in tmp_path.iterdir()} == {"release", "home"}


def test_a_release_goes_with_sources_of_its_level_only(released: Released) -> None:
    with pytest.raises(LevelMismatchError):
        CombinedSource([SeedSource(), ReleaseSource(released.directory)]).load()
    twice = CombinedSource([ReleaseSource(released.directory), ReleaseSource(released.directory)]).load()
    assert isinstance(twice, PhaseSet)
    assert len(twice) == released.entries


def test_verdicts_at_other_levels_have_a_table_of_their_own(played: SqlStore, known: PhaseSet, tmp_path: Path) -> None:
    level = higher(played).level
    others = [*played.query(level=level), *played.query()]
    out = write_release(tmp_path / "levels", known, played.query(), near_hull_ev_per_atom=9.0, other_levels=others)
    (row,) = table(out.directory / "other_levels_summary.csv")
    assert (row["Level"], row["Energy Above Hull Per Atom"], row["Reduced Formula"]) == (level, "0.02", "LiF")
    assert f"| verdicts at {level} | 1 |" in (out.directory / "DATASHEET.md").read_text()
    assert "other_levels_summary.csv" in out.files
    check_files(out.directory)
