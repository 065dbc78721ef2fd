"""What a campaign's space asks of its references."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.assemble import assemble
from gnome_lite.config import CampaignConfig
from gnome_lite.errors import SourceError
from gnome_lite.settings import Settings
from gnome_lite.sources.parquet import write_references
from gnome_lite.sources.seed import SeedSource


def test_named_systems_alone_need_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default elements are not asked for where chemical systems leave them out."""
    known = [e for e in SeedSource().load().entries if set(e.crystal.chemical_system.split("-")) <= {"Li", "O"}]
    write_references(tmp_path / "references.parquet", known)
    monkeypatch.setattr("gnome_lite.sources.seed.bundled", lambda *_: tmp_path / "references.parquet")
    named = CampaignConfig.model_validate({"space": {"chemical_systems": ["Li-O"]}})
    assert len(assemble(named, Settings(home=tmp_path)).source.load()) == len(known)
    with pytest.raises(SourceError, match=r"no elemental reference for .*Na"):
        assemble(CampaignConfig(), Settings(home=tmp_path))
