"""`references add, list, info, show, remove`, and what becomes of the sets, as a user has it.

Covers `references` and `show_reference`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import Call
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from samples.al_ni import EMT_CAMPAIGN, write_folder

from gnome_lite.assemble import load_references
from gnome_lite.config import CampaignConfig
from gnome_lite.settings import Settings
from gnome_lite.sources.file_references import FileSource
from gnome_lite.store.database import SqlStore
from gnome_lite.store.query import Query


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "emt.toml"
    path.write_text(EMT_CAMPAIGN)
    return path


def test_a_folder_becomes_references_that_a_campaign_uses(
    call: Call, home: Path, tmp_path: Path, campaign: Path
) -> None:
    folder = write_folder(tmp_path / "mine")
    (folder / "broken.cif").write_text("data_x\n")
    said = call("references", "add", folder, "--campaign", campaign)
    assert said.code == 0, said.err
    assert "5 crystals read: 4 relaxed, 0 with an energy of emt, 1 known already or given twice, 0 failed" in said.out
    assert "broken.cif holds no atom sites" in said.err
    assert "relax" in said.err
    log = home / "references" / "relaxed-emt.jsonl"
    relaxed = log.read_bytes()
    config = CampaignConfig.from_toml(campaign)
    references = load_references(config, Settings(home=home))
    assert references.level == "emt"
    assert sorted(references.formulas) == ["Al", "AlNi", "AlNi3", "Ni"]
    assert all("computed here" in source for source in references.sources)

    assert call("references", "add", folder, "--campaign", campaign).code == 0
    assert log.read_bytes() == relaxed
    assert load_references(config, Settings(home=home)).id == references.id

    listed = call("references", "list").out.splitlines()
    assert [line.split() for line in listed[1:]] == [["mine", "emt", "4", "Al", "Ni"]]
    described = call("references", "info", "mine").out
    assert all(i in described for i in references.ids)
    at = references.formulas.index("AlNi")
    i = references.ids[at]
    entries = [
        PDEntry(c.to_pymatgen().composition, e)
        for c, e in zip(references.crystals, references.energies_ev, strict=True)
    ]
    above = PhaseDiagram(entries).get_e_above_hull(entries[at])
    for command in (["references", "show"], ["show"]):
        shown = call(*command, i)
        assert shown.code == 0, shown.err
        assert "reference phase at level emt" in shown.out
        assert "space group Pm-3m (221)" in shown.out
        assert f"energy above hull     {above:+.4f}" in shown.out
        assert "Ni   0.50000   0.50000   0.50000" in shown.out

    assert call("references", "remove", "mine", "--level", "chgnet").code == 2
    assert call("references", "remove", "mine").code == 0
    assert len(call("references", "list").out.splitlines()) == 1
    gone = call("references", "info", "mine")
    assert (gone.code, gone.err.count("\n")) == (2, 1)
    assert "has no references 'mine'" in gone.err


@pytest.mark.parametrize("form", ["extxyz", "ase"])
def test_an_export_comes_back_without_being_relaxed_again(
    call: Call, home: Path, tmp_path: Path, campaign: Path, form: str
) -> None:
    assert call("references", "add", write_folder(tmp_path / "mine"), "--campaign", campaign).code == 0
    before = load_references(CampaignConfig.from_toml(campaign), Settings(home=home))
    out = tmp_path / ("out.db" if form == "ase" else "out.extxyz")
    chosen = [word for i in before.ids for word in ("--reference", i)]
    said = call("export", out, "--format", form, *chosen)
    assert said.code == 0, said.err
    again = FileSource([out], "emt").load()
    by_name = {source.rpartition(": ")[2]: e for source, e in zip(again.sources, again.energies_ev, strict=True)}
    assert by_name == pytest.approx(dict(zip(before.ids, before.energies_ev, strict=True)), abs=1e-9)
    campaign.write_text(EMT_CAMPAIGN.replace("mine", "back"))
    log = home / "references" / "relaxed-emt.jsonl"
    log.unlink()
    said = call("references", "add", out, "--name", "back", "--campaign", campaign)
    assert "4 crystals read: 0 relaxed, 4 with an energy of emt, 0 known" in said.out
    assert not log.exists() or not log.read_bytes()
    back = load_references(CampaignConfig.from_toml(campaign), Settings(home=home))
    assert sorted(back.energies_ev) == pytest.approx(sorted(before.energies_ev), abs=1e-9)


def test_verified_crystals_export_their_energy(call: Call, home: Path, tmp_path: Path) -> None:
    assert call("export", tmp_path / "out.extxyz", "--format", "extxyz").code == 0
    back = FileSource([tmp_path / "out.extxyz"], "test-1").load()
    stored = {c.id: c.energy_ev for c in SqlStore.open(home / "store.sqlite").query(Query())}
    assert {s.rpartition(": ")[2]: e for s, e in zip(back.sources, back.energies_ev, strict=True)} == stored
    assert len(stored) > 2


def test_bundled_references_are_shown_and_exported(call: Call, tmp_path: Path) -> None:
    for begin in ("seed-0005feca", "reported-00018baa"):
        said = call("show", begin)
        assert said.code == 0, said.err
        assert said.out.startswith(begin)
        assert "reference phase at level chgnet-0.3.0" in said.out
        assert "a b c" in said.out
    assert call("export", tmp_path / "cifs", "--reference", "seed-0005feca").code == 0
    (cif,) = (tmp_path / "cifs").iterdir()
    assert "reference phase at level chgnet-0.3.0" in cif.read_text()
    said = call("show", "seed-nope")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "no reference 'seed-nope'" in said.err


def test_bad_calls_change_nothing(call: Call, home: Path, tmp_path: Path, campaign: Path) -> None:
    compound = write_folder(tmp_path / "compound", "alni", "ni")
    for arguments, why in (
        ([compound], "no elemental reference for Al at level emt: add a crystal of the pure element"),
        ([tmp_path / "nope"], "there is no file"),
        ([compound, "--name", "../../mine"], "cannot name a set"),
    ):
        said = call("references", "add", *arguments, "--campaign", campaign)
        assert said.code == 2
        assert why in said.err.splitlines()[-1]
        assert not (home / "references" / "added").exists()
    said = call("references", "add", compound, "--campaign", tmp_path / "none.toml")
    assert said.code == 2
