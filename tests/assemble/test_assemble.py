"""What a campaign's space asks of its references.

Covers `generators`, `predictors`, `references` and `verifiers`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cli.test_generate import PEROVSKITE
from pymatgen.core import Composition

from gnome_lite.assemble import (
    assemble,
    load_references,
    make_gate,
    make_mix,
    make_predictor,
    read_parents,
    require_files,
)
from gnome_lite.assemble.predictors import shipped_model
from gnome_lite.config import CampaignConfig, GeneratorName
from gnome_lite.core.errors import SourceError
from gnome_lite.evaluation.rediscovery import concealed
from gnome_lite.predict.checkpoint import read_card
from gnome_lite.settings import Settings
from gnome_lite.sources.bundled_seed import SeedSource
from gnome_lite.sources.reference_files import write_references


def test_named_systems_alone_need_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default elements are not asked for where chemical systems leave them out."""
    known = [e for e in SeedSource().load() if set(e.crystal.chemical_system.split("-")) <= {"Li", "O"}]
    write_references(tmp_path / "references.parquet", known)
    monkeypatch.setattr("gnome_lite.sources.bundled_seed.bundled", lambda *_: tmp_path / "references.parquet")
    named = CampaignConfig.model_validate({"space": {"chemical_systems": ["Li-O"]}})
    assert len(assemble(named, Settings(home=tmp_path)).source.load()) == len(known)
    with pytest.raises(SourceError, match=r"no elemental reference for .*Na"):
        assemble(CampaignConfig(), Settings(home=tmp_path))


def test_parents_that_cannot_be_used_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    good, partial = tmp_path / "good.cif", tmp_path / "partial.cif"
    good.write_text(PEROVSKITE.format(occupancy=1))
    partial.write_text(PEROVSKITE.format(occupancy=0.5))
    for parents in ([good, partial], [tmp_path]):
        found = read_parents(CampaignConfig.model_validate({"generate": {"parents": parents}}))
        assert found.ids == ("good.cif:good",)
        assert [c.reduced_formula for c in found.crystals] == ["SrTiO3"]
        (cause,) = found.skipped
        assert "partial.cif" in cause
        assert "disordered" in cause


@pytest.mark.parametrize("where", ["generate.parents", "sources.files"])
def test_paths_that_do_not_exist_are_refused_before_anything_is_done(tmp_path: Path, where: str) -> None:
    section, key = where.split(".")
    config = CampaignConfig.model_validate({section: {key: [tmp_path / "nope.cif"]}})
    with pytest.raises(SourceError, match=r"there is no file .*nope\.cif: check the path"):
        require_files(config)
    with pytest.raises(SourceError, match=r"there is no file .*nope\.cif: check the path"):
        assemble(config, Settings(home=tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_parents_may_be_our_own_files_of_any_level(tmp_path: Path) -> None:
    entries = [replace(e, level="another", energy_ev=0.0) for e in SeedSource().load().take([0, 1, 2])]
    write_references(tmp_path / "parents.parquet", entries)
    found = read_parents(CampaignConfig.model_validate({"generate": {"parents": [tmp_path / "parents.parquet"]}}))
    assert found.ids == tuple(sorted(e.id for e in entries))
    assert not found.skipped


@pytest.mark.parametrize("name", ["substitution", "partial", "prototypes", "random", "intermetallic", "vacancies"])
def test_each_generator_makes_candidates_that_pass_the_gate(name: GeneratorName) -> None:
    config = CampaignConfig.model_validate(
        {
            "space": {"elements": ("Li", "Mg", "Al", "Ni", "Cu", "Sr", "Ti", "O", "S"), "max_elements": 4},
            "generate": {"mix": {name: 1.0}},
        }
    )
    references = load_references().within(config.space.elements)
    stream = make_mix(config).stream(references.crystals, references.ids, 1, (0,))
    chunk = next(iter(stream))
    assert set(chunk.generators) == {name}
    passed = [not cause for cause in make_gate(config).causes(chunk.crystals)]
    assert sum(passed) > len(passed) / 2


def test_unrelaxed_crystals_are_rehearsed_whatever_the_references(tmp_path: Path) -> None:
    """Also without the seed among the references; compounds of a hidden system never; nothing of another level."""
    config, settings = CampaignConfig.model_validate({"sources": {"seed": False}}), Settings(home=tmp_path)
    seed = SeedSource().inputs()
    every = make_predictor(config, settings, "chgnet-0.3.0")._inputs
    assert every is not None
    assert len(every) == len(seed)
    others = partial(concealed, elements=("Ca", "Ti", "O"))
    hidden = make_predictor(config, settings, "chgnet-0.3.0", lambda crystals: ~others(crystals))._inputs
    assert hidden is not None
    gone = {c.reduced_formula for c in seed.crystals} - {c.reduced_formula for c in hidden.crystals}
    assert "CaTiO3" in gone
    assert {Composition(formula).chemical_system for formula in gone} == {"Ca-O-Ti"}
    assert make_predictor(config, settings, "emt")._inputs is None


def test_a_campaign_takes_the_ensemble_that_knows_its_elements() -> None:
    few, wide = shipped_model("chgnet-0.3.0", ["Li", "O"]), shipped_model("chgnet-0.3.0", ["Cs", "Te", "O"])
    assert few == shipped_model("chgnet-0.3.0")
    assert few is not None
    assert wide is not None
    assert "Te" not in read_card(few).elements
    assert {"Cs", "Te", "O"} <= set(read_card(wide).elements)
    assert shipped_model("no such level", ["Li"]) is None
