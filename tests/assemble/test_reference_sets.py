"""The Materials Project's phases at a campaign's level, through its own client and a loopback server.

Covers `reference_sets`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples.al_ni import EMT_CAMPAIGN, structures
from sources.test_materials_project import Server, server, thermo_documents

from gnome_lite.assemble import load_references, make_source
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import LevelMismatchError, SourceError

__all__ = ["server"]
pytestmark = pytest.mark.filterwarnings("ignore")


def documents() -> Iterator[dict[str, Any]]:
    """Al-Ni as the server has it: AlNi3 lies 0.3 eV/atom above the hull."""
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    entries = []
    for i, (name, energy) in enumerate([("al", -3.7), ("ni", -5.8), ("alni", -5.4), ("alni3", -5.3)], 1):
        structure = structures()[name]
        data = {"material_id": f"mp-{i}", "task_id": f"mp-{i + 10}", "run_type": "GGA", "oxidation_states": {}}
        data |= {"last_updated": "2024-01-01T00:00:00"}
        total = energy * len(structure)
        entries.append(ComputedStructureEntry(structure, total, data=data, entry_id=f"mp-{i}-GGA"))
    yield from thermo_documents(entries)


def config(**sources: Any) -> CampaignConfig:
    import tomllib

    plain = tomllib.loads(EMT_CAMPAIGN)
    plain["sources"] = {"seed": False, "materials_project": ["Ni-Al"], **sources}
    return CampaignConfig.model_validate(plain)


def test_phases_near_the_hull_are_computed_at_the_campaign_s_level_once(server: Server, tmp_path: Path) -> None:
    server.documents = list(documents())
    settings = server.settings.model_copy(update={"home": tmp_path})
    stages: list[str] = []
    references = load_references(config(), settings, lambda stage, *_: stages.append(stage))
    assert references.level == "emt"
    assert sorted(references.formulas) == ["Al", "AlNi", "Ni"]
    assert all(i.startswith("mp-") for i in references.ids)
    assert all("Materials Project" in s and "at level mp-GGA_GGA+U-MP2020" in s for s in references.sources)
    assert {"fetch", "relax"} <= set(stages)
    asked = len(server.asked)
    # Reading commands, which may not compute, find it in the home; and nothing is fetched again.
    assert make_source(config(), settings, "emt").load().id == references.id
    assert len(server.asked) == asked


def test_what_is_not_there_is_neither_computed_by_a_reader_nor_mixed(server: Server, tmp_path: Path) -> None:
    server.documents = list(documents())
    settings = server.settings.model_copy(update={"home": tmp_path})
    with pytest.raises(SourceError, match=r"have not been computed at level emt in home .*: run the campaign there"):
        make_source(config(), settings, "emt").load()
    with pytest.raises(LevelMismatchError, match=r"GGA_GGA\+U-MP2020, .* of emt: set sources\.relabel = true"):
        load_references(config(relabel=False), settings)
    assert not server.asked
