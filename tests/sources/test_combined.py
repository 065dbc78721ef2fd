"""Sources together: precedence, counts, disagreement, mixed levels; the seed; the elemental table."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import LevelMismatchError, SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase
from gnome_lite.settings import bundled
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.combined import CombinedSource
from gnome_lite.sources.compare import elemental_table, read_elemental_energies
from gnome_lite.sources.reference_files import write_references


def entry(z: int, energy_ev: float, level: str = "l", source: str = "s", a: float = 3.0) -> Phase:
    crystal = Crystal.make([z], [[0, 0, 0]], a * np.eye(3))
    return Phase(crystal.content_id, crystal, energy_ev, level, source, "MIT")


class Fixed:
    def __init__(self, *entries: Phase) -> None:
        self.entries, self.loads = entries, 0

    def load(self) -> PhaseSet:
        self.loads += 1
        return PhaseSet.make(self.entries)


def test_a_shared_crystal_comes_from_the_first_and_all_are_counted() -> None:
    first, second = Fixed(entry(3, -1.9, source="one")), Fixed(entry(3, -1.9001, source="two"), entry(8, -4.9))
    combined = CombinedSource([first, second])
    loaded = combined.load()
    assert combined.load() is loaded
    assert (first.loads, second.loads) == (1, 1)
    assert len(loaded) == 2
    assert {e.source for e in loaded if e.crystal.chemical_system == "Li"} == {"one"}


def test_disagreement_and_mixed_levels_are_refused() -> None:
    with pytest.raises(SourceError, match=r"-1\.9000 eV/atom in one and -1\.8000 in two"):
        CombinedSource([Fixed(entry(3, -1.9, source="one")), Fixed(entry(3, -1.8, source="two"))]).load()
    for other in (entry(3, -1.9, "mp"), entry(8, -4.9, "mp")):
        with pytest.raises(LevelMismatchError):
            CombinedSource([Fixed(entry(3, -1.9, "chgnet")), Fixed(other)]).load()
    with pytest.raises(SourceError, match="no source"):
        CombinedSource([]).load()


def test_seed_reads_the_given_file(tmp_path: Path) -> None:
    write_references(tmp_path / "r.parquet", [entry(3, -1.9), entry(8, -4.9)])
    assert SeedSource(tmp_path / "r.parquet").load().elemental_ev_per_atom == {"Li": -1.9, "O": -4.9}
    with pytest.raises(SourceError, match="seed build"):
        SeedSource(tmp_path / "none").load()


def test_the_bundled_seed_is_whole() -> None:
    if not bundled("seed", "references.parquet").is_file():
        pytest.skip("the seed is not built")
    seed = SeedSource().load()
    assert seed.level == "chgnet-0.3.0"
    assert len(seed.elemental_ev_per_atom) >= 85
    compounds = [e for e in seed if len(np.unique(e.crystal.numbers)) > 1]
    assert len(compounds) >= 1500
    assert np.isfinite(seed.e_form_ev_per_atom).all()


def test_elemental_table(tmp_path: Path) -> None:
    references = PhaseSet.make([entry(8, -4.9), entry(3, -1.8), entry(3, -1.9, a=3.1), entry(26, -8.4)])
    path = tmp_path / "mp.json.gz"
    record = {
        "Li": {"energy": -4.0, "correction": 0.2, "composition": {"Li": 2.0}},
        "O": {"energy": -4.9, "correction": 0.0, "composition": {"O": 1}},
    }
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    table = elemental_table(references.elemental_ev_per_atom, read_elemental_energies(path))
    assert [line.split(" |")[0] for line in table.splitlines()[2:4]] == ["| Li", "| O"]
    assert "| Li | -1.9000 | -1.9000 | +0 |" in table
    assert table.endswith("2 elements: mean 0, median 0 meV/atom.")
    path.write_text("[]")
    with pytest.raises(SourceError, match="no elemental entries"):
        read_elemental_energies(path)


def test_a_differing_copy_of_the_same_id_keeps_its_level() -> None:
    one = entry(3, -1.9)
    assert CombinedSource([Fixed(one), Fixed(replace(one, source="other"))]).load()[0].source == "s"
