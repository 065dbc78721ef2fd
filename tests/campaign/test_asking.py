"""Which crystals are asked for: the best ones first, none twice, with the competing phases that the level lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from samples.asked import LIF, NACL, NAMNF3, element, home_with, home_with_campaign
from samples.small_campaign import CRYSTALS, verification

from gnome_lite.assemble.dft_folders import ask_for_dft
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import ConfigError, StoreError
from gnome_lite.settings import Settings
from gnome_lite.store.database import SqlStore
from gnome_lite.verify.files.manifest import read_manifest

GPAW = "gpaw-22.8.0-PBE-PW800-K3.5-0123abcd"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    home_with_campaign(tmp_path / "home")
    return Settings(home=tmp_path / "home")


def store_of(home: Settings) -> SqlStore:
    return SqlStore.open(home.store_url)


def test_novel_crystals_on_the_hull_and_their_elements(home: Settings, tmp_path: Path) -> None:
    asked = ask_for_dft(tmp_path / "out", "vasp-mp", 20, home)
    assert [m.id for m in asked.candidates] == [LIF], "KCl is on the hull, but known"
    assert [m.id for m in asked.competing] == ["ref-3", "ref-9"]
    manifest = read_manifest(tmp_path / "out")
    assert manifest.members == (*asked.candidates, *asked.competing)
    assert (manifest.campaign, manifest.below, manifest.theory) == ("first", "test-1", "mp-GGA_GGA+U-MP2020")
    relaxed = {v.candidate_id: v.crystal for v in store_of(home).verifications("test-1")}
    assert manifest.members[0].content_hash == relaxed[LIF].content_id
    (level,) = store_of(home).status().campaigns[0].levels
    assert (level.level, level.selected, level.verified) == ("mp-GGA_GGA+U-MP2020", 1, 0)


def test_nothing_is_asked_for_twice(home: Settings, tmp_path: Path) -> None:
    ask_for_dft(tmp_path / "1", "vasp-mp", 1, home, e_above_hull_max=0.2)
    asked = ask_for_dft(tmp_path / "2", "vasp-mp", 1, home, e_above_hull_max=0.2)
    assert [m.id for m in asked.candidates] == [NAMNF3], "the next one by its decomposition energy"
    assert [m.id for m in asked.competing] == ["ref-11", "ref-25"], "F is asked for"
    asked = ask_for_dft(tmp_path / "3", "vasp-mp", 20, home, e_above_hull_max=0.2)
    assert [m.id for m in asked.candidates] == [NACL]
    with pytest.raises(StoreError, match=r"no stable crystal left that vasp-mp was not asked for: .* --again"):
        ask_for_dft(tmp_path / "4", "vasp-mp", 20, home, e_above_hull_max=0.2)
    assert not (tmp_path / "4").exists()
    again = ask_for_dft(tmp_path / "5", "vasp-mp", 20, home, e_above_hull_max=0.2, again=True)
    assert {m.id for m in again.candidates} == {LIF, NAMNF3, NACL}
    assert len(again.competing) == 5
    other = ask_for_dft(tmp_path / "6", "vasp-r2scan", 20, home)
    assert [m.id for m in other.candidates] == [LIF], "another level"


def test_what_a_version_of_gpaw_has_answered_is_not_asked_for(home: Settings, tmp_path: Path) -> None:
    """The level of GPAW bears its version, which only a run knows; what a campaign's own GPAW relaxed counts, too."""
    store = store_of(home)
    lif = CRYSTALS[0]
    store.add_selection("first", 1, [lif.content_id], [], {}, GPAW)
    store.add_verification("first", 1, verification(lif, level=GPAW))
    log = home.home / "levels" / f"{GPAW}.jsonl"
    log.parent.mkdir()
    row = {"candidate_id": "ref-9", "crystal": lif.as_lists(), "energy_ev": -1.0, "max_force_ev_per_ang": 0.0}
    row |= {"n_steps": 0, "converged": True, "level": GPAW, "seconds": 0.0, "failure": None, "detail": ""}
    log.write_text(json.dumps(row | {"fingerprint": ""}) + "\n")
    asked = ask_for_dft(tmp_path / "out", "gpaw", 20, home, e_above_hull_max=0.04)
    assert [m.id for m in asked.candidates] == [NAMNF3]
    assert [m.id for m in asked.competing] == ["ref-11", "ref-25"], "ref-9 is in the results log"
    # With other settings it is another level, which has answered nothing.
    other = ask_for_dft(tmp_path / "other", "gpaw", 20, home, arguments={"ecut_ev": 600.0})
    assert [m.id for m in other.candidates] == [LIF]


def test_an_id_with_parts_of_a_path_gets_no_folder(tmp_path: Path) -> None:
    cell = Crystal.make([11], [[0, 0, 0]], 3 * np.eye(3))
    elements = [element("../ref-11", cell), element("ref-17", Crystal.make([17], [[0, 0, 0]], 3 * np.eye(3)))]
    home_with(tmp_path / "home", elements, [CRYSTALS[1]])
    asked = ask_for_dft(tmp_path / "out", "vasp-mp", 20, Settings(home=tmp_path / "home"))
    assert [m.id for m in asked.competing] == ["ref-17"]
    assert asked.left_out == (("Na", "the reference phase's id '../ref-11' has parts of a path: rename it"),)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"level": "vasp"}, ConfigError, "choose from vasp-mp"),
        ({"level": "qe"}, ConfigError, "--pseudos DIR"),
        ({"level": "vasp-mp", "pseudos": Path("x")}, ConfigError, "takes no pseudopotentials"),
        ({"level": "gpaw", "arguments": {"xc": "LDA"}}, ConfigError, "setting 'xc': allowed are ecut_ev"),
        ({"level": "gpaw", "campaign": "second"}, StoreError, "no campaign 'second' in the store: there are first"),
    ],
)
def test_bad_requests(home: Settings, tmp_path: Path, arguments: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ask_for_dft(tmp_path / "out", n=20, settings=home, **arguments)
    assert not (tmp_path / "out").exists()
    assert not store_of(home).status().campaigns[0].levels
