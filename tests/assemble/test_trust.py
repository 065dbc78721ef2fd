"""Code that a campaign names runs after the user has said so, for this program, this home and this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnome_lite.assemble import (
    assemble,
    check_calculators,
    level_of,
    load_references,
    make_higher_level,
    make_molecules,
    make_verifier,
)
from gnome_lite.assemble.trust import RECORD, programs_of, remember_trust, require_trust
from gnome_lite.config import CampaignConfig, Verify
from gnome_lite.core.errors import ConfigError
from gnome_lite.settings import Settings

FACTORY = {"calculator": "os:system", "calculator_kwargs": {"command": "true"}}
HIGHER = {"levels": ["chgnet", "mace"], "level": {"mace": {"calculator_kwargs": {"python": "/evil/python"}}}}


def campaign(**verify: Any) -> CampaignConfig:
    return CampaignConfig(verify=Verify.model_validate(verify))


@pytest.mark.parametrize(
    ("verify", "titles"),
    [
        ({}, []),
        ({"calculator": "emt"}, []),
        ({"calculator": "chgnet", "calculator_kwargs": {"checkpoint": "tuned.safetensors", "device": "cpu"}}, []),
        ({"calculator": "mace", "calculator_kwargs": {"checkpoint": "medium-mpa-0"}}, []),
        (FACTORY, ["calculator os:system"]),
        ({"calculator": "x:y", "calculator_kwargs": {"python": "/p"}}, ["interpreter /p", "calculator x:y"]),
        ({"calculator": "gpaw", "calculator_kwargs": {"python": "sh"}}, [f"interpreter {shutil.which('sh')}"]),
        ({"calculator": "mace", "calculator_kwargs": {"checkpoint": "/a.pt"}}, ["checkpoint /a.pt of mace"]),
        ({"calculator": "matgl", "calculator_kwargs": {"checkpoint": "who/what"}}, ["checkpoint who/what of matgl"]),
        (HIGHER, ["interpreter /evil/python"]),
    ],
)
def test_what_a_campaign_names_is_told(verify: dict[str, Any], titles: list[str]) -> None:
    assert [program.title for program in programs_of(campaign(**verify).verify)] == titles


DOORS: dict[str, Callable[[CampaignConfig, Settings], Any]] = {
    "assemble": assemble,
    "check_calculators": check_calculators,
    "level_of": level_of,
    "load_references": load_references,
    "make_molecules": make_molecules,
    "make_verifier": lambda config, settings: make_verifier(config, None, settings),
    "make_higher_level": lambda config, settings: make_higher_level("emt", config, settings),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("verify", [FACTORY, HIGHER])
def test_no_door_opens_without_trust(door: str, verify: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names code of its own, .*: if you know what it does, say --trust once"):
        DOORS[door](campaign(**verify), Settings(home=tmp_path / "home"))
    assert not list(tmp_path.iterdir())


def test_trust_is_remembered_for_the_same_program_with_the_same_arguments(tmp_path: Path) -> None:
    settings, config = Settings(home=tmp_path / "deep" / "home"), campaign(**FACTORY)
    assert remember_trust(config, settings) == ["calculator os:system"]
    assert remember_trust(config, settings) == []
    require_trust(config, Settings(home=tmp_path / "deep" / "home"))
    assert (settings.home / RECORD).stat().st_mode & 0o777 == 0o600
    for other in ({"command": "false"}, {"command": "true", "python": sys.executable}, {}):
        with pytest.raises(ConfigError, match="--trust"):
            require_trust(campaign(calculator="os:system", calculator_kwargs=other), settings)


def test_trust_is_withdrawn_by_deleting_its_line(tmp_path: Path) -> None:
    settings, config = Settings(home=tmp_path), campaign(**FACTORY)
    remember_trust(config, settings)
    (tmp_path / RECORD).write_text("")
    with pytest.raises(ConfigError, match="--trust"):
        require_trust(config, settings)


def test_a_home_that_came_from_elsewhere_brings_no_trust(tmp_path: Path) -> None:
    config = campaign(**FACTORY)
    remember_trust(config, Settings(home=tmp_path / "mine"))
    shutil.copytree(tmp_path / "mine", tmp_path / "copy")
    with pytest.raises(ConfigError, match="--trust"):
        require_trust(config, Settings(home=tmp_path / "copy"))


def test_a_record_that_others_can_write_to_says_nothing(tmp_path: Path) -> None:
    config, settings = campaign(**FACTORY), Settings(home=tmp_path)
    remember_trust(config, settings)
    (tmp_path / RECORD).chmod(0o622)
    with pytest.raises(ConfigError, match="--trust"):
        require_trust(config, settings)


def test_a_checkpoint_is_trusted_by_its_content(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"mine")
    config = campaign(calculator="mace", calculator_kwargs={"checkpoint": str(weights)})
    remember_trust(config, Settings(home=tmp_path))
    require_trust(config, Settings(home=tmp_path))
    weights.write_bytes(b"theirs")
    with pytest.raises(ConfigError, match=r"weights\.pt of mace"):
        require_trust(config, Settings(home=tmp_path))


def test_a_module_of_another_folder_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "only_here.py").write_text("raise RuntimeError('imported')")
    config, settings = campaign(calculator="only_here:make"), Settings(home=tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "mine")
    remember_trust(config, settings)
    require_trust(config, settings)
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="only_here:make"):
        require_trust(config, settings)


def test_a_setting_of_the_environment_or_an_argument_trusts_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_trust(campaign(**FACTORY), Settings.at(tmp_path, trust=True))
    monkeypatch.setenv("GNOME_LITE_TRUST", "1")
    require_trust(campaign(**FACTORY))
    assert RECORD not in os.listdir(tmp_path)


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another --home"):
        remember_trust(campaign(**FACTORY), Settings(home=tmp_path / "file" / "home"))
