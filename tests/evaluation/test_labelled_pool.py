"""Labelled pools: what is written is read back, nothing damaged is read, a plan is a campaign's own candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples.seed_pool import seed_pool

from gnome_lite.assemble import assemble
from gnome_lite.config import CampaignConfig, Generate, Space
from gnome_lite.core.errors import ConfigError, LevelMismatchError, SourceError
from gnome_lite.evaluation.labelled_pool import LabelledPool, plan_pool
from gnome_lite.evaluation.pool_files import read_pool, write_pool
from gnome_lite.evaluation.replay_setup import load_pool
from gnome_lite.pipeline import silent
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore

ELEMENTS = ("Li", "Na", "Mg", "O", "S", "Cl")


@pytest.fixture(scope="module")
def labelled() -> LabelledPool:
    return seed_pool(ELEMENTS, fail_every=7)[1]


@pytest.fixture(scope="module")
def written(labelled: LabelledPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pool") / "universe.parquet"
    write_pool(path, labelled)
    return path


def test_what_is_written_is_what_is_read(labelled: LabelledPool, written: Path) -> None:
    read = read_pool(written)
    assert (read.id, read.level, read.references_id) == (labelled.id, labelled.level, labelled.references_id)
    assert read.census() == labelled.census()
    assert read.census()["failed: exploded"] == -(-len(labelled) // 7)
    for ours, theirs in zip(labelled.candidates, read.candidates, strict=True):
        assert theirs.crystal.content_id == theirs.id == ours.id
        assert (theirs.generator, theirs.parent_id, theirs.change) == (ours.generator, ours.parent_id, ours.change)
        assert np.array_equal(theirs.probability, ours.probability, equal_nan=True)
    for mine, other in zip(labelled.outcomes, read.outcomes, strict=True):
        assert (mine.ok, mine.failure) == (other.ok, other.failure)
        if mine.ok:
            assert mine.energy_ev == other.energy_ev
            assert np.abs(mine.crystal.frac_coords - other.crystal.frac_coords).max() < 1e-6
            assert np.abs(mine.crystal.lattice - other.crystal.lattice).max() < 1e-5


def test_the_file_is_small_and_repeatable(labelled: LabelledPool, written: Path, tmp_path: Path) -> None:
    write_pool(tmp_path / "again.parquet", read_pool(written))
    assert (tmp_path / "again.parquet").read_bytes() == written.read_bytes()
    pairs = list(zip(labelled.candidates, labelled.outcomes, strict=True))
    assert LabelledPool.make(pairs[::-1], labelled.references_id).id == labelled.id


@pytest.mark.parametrize(
    ("column", "of", "value", "complaint"),
    [
        ("energy_ev", "relaxed", float("nan"), "an energy and a failure, or neither"),
        ("energy_ev", "failed", -3.0, "an energy and a failure, or neither"),
        ("failure", "relaxed", "melted", "a cause that is not known"),
        ("relaxed_lattice", "relaxed", [], "a relaxed crystal and a failure, or neither"),
        ("relaxed_lattice", "relaxed", [1.0] * 9, "without volume when relaxed"),
        ("relaxed_frac_coords", "relaxed", [0.5], "do not add up when relaxed"),
        ("lattice", "failed", [0.0] * 9, "without volume"),
        ("id", "relaxed", "", "no id"),
    ],
)
def test_a_bad_row_is_named(written: Path, tmp_path: Path, column: str, of: str, value: object, complaint: str) -> None:
    table = pq.read_table(written)
    rows = table.to_pylist()
    row = next(i for i, r in enumerate(rows) if bool(r["failure"]) == (of == "failed"))
    rows[row][column] = value
    columns = [pa.array([r[f.name] for r in rows], f.type) for f in table.schema]
    pq.write_table(pa.table(columns, schema=table.schema), tmp_path / "bad.parquet")
    with pytest.raises(SourceError, match=complaint) as told:
        read_pool(tmp_path / "bad.parquet")
    assert f"row {row}" in str(told.value)


def test_missing_damaged_and_foreign_files_are_named(written: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="benchmark pool"):
        read_pool(tmp_path / "none.parquet")
    good = written.read_bytes()
    rng = np.random.default_rng(0)
    for where in rng.integers(4, len(good) - 8, 20):
        (tmp_path / "flipped").write_bytes(good[:where] + bytes([good[where] ^ 0x41]) + good[where + 1 :])
        try:
            read = read_pool(tmp_path / "flipped")
        except SourceError:
            continue
        assert read.id == read_pool(written).id  # on bytes that carry no value
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "foreign")
    with pytest.raises(SourceError, match="not a labelled pool file"):
        read_pool(tmp_path / "foreign")


def test_what_does_not_belong_together_is_no_pool(labelled: LabelledPool) -> None:
    pairs = list(zip(labelled.candidates, labelled.outcomes, strict=True))
    with pytest.raises(SourceError, match="twice"):
        LabelledPool.make([*pairs, pairs[3]], "r")
    with pytest.raises(SourceError, match="outcome of"):
        LabelledPool.make([(pairs[0][0], pairs[1][1])], "r")
    with pytest.raises(LevelMismatchError, match="one labelled pool"):
        LabelledPool.make([pairs[0], (pairs[1][0], replace(pairs[1][1], level="other-1"))], "r")
    with pytest.raises(SourceError, match="empty"):
        LabelledPool.make([], "r")


@pytest.mark.usefixtures("small_world")
def test_a_plan_is_the_beginning_of_a_campaigns_stream_without_duplicates() -> None:
    elements = ("Li", "Na", "O", "S", "Cl")
    config = CampaignConfig(
        space=Space(elements=elements), generate=Generate(mix={"substitution": 2.0, "prototypes": 1.0}, max_atoms=10)
    )
    parts = assemble(config, Settings(), silent, SqlStore.in_memory())
    planned, census = plan_pool(60, 0, parts)
    fewer, _ = plan_pool(20, 0, parts)
    other, _ = plan_pool(20, 1, parts)
    ids = [c.id for c in planned]
    assert len(set(ids)) == 60
    assert ids[:20] == [c.id for c in fewer] != [c.id for c in other]
    assert {c.generator for c in planned} == {"substitution", "prototypes"}
    gated = sum(n for cause, n in census.items() if cause.startswith("gated"))
    assert 60 <= census["made"] - census["duplicates"] - gated < 60 + 64  # the last chunk is not needed whole
    index = parts.novelty.index()
    references = parts.source.load()
    index.extend(references.ids, references.crystals)
    for candidate in planned:
        assert index.find(candidate.crystal) is None
        index.add(candidate.id, candidate.crystal)
        assert len(candidate.crystal) <= 10
        assert set(candidate.crystal.chemical_system.split("-")) <= set(elements)


@pytest.mark.usefixtures("small_world")
def test_more_candidates_than_there_are_is_an_error() -> None:
    config = CampaignConfig(space=Space(elements=("Li", "O")), generate=Generate(mix={"prototypes": 1.0}, max_atoms=4))
    with pytest.raises(ConfigError, match="the generators end after"):
        plan_pool(10_000, 0, assemble(config, Settings(), silent, SqlStore.in_memory()))


def test_the_shipped_pool_stands_beside_the_bundled_seed() -> None:
    """Large, of the seed's level, made of this very seed, and every candidate of it new."""
    references, labelled = load_pool()
    assert labelled.references_id == references.id
    assert labelled.level == references.level
    assert len(labelled) >= 5000
    known = {e.crystal.content_id for e in references}
    assert not known & {c.crystal.content_id for c in labelled.candidates}  # relaxed, some end as a known one
    assert 0.9 < sum(v.ok for v in labelled.outcomes) / len(labelled) < 1
