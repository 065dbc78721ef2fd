"""Campaign files: defaults, TOML, and refusals that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import ConfigError, OldNameWarning, SourceError
from gnome_lite.settings import Settings


def read(tmp_path: Path, text: str) -> CampaignConfig:
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    return CampaignConfig.from_toml(path)


def test_empty_file_is_the_default_campaign(tmp_path: Path) -> None:
    assert read(tmp_path, "") == CampaignConfig()


def test_values_are_read(tmp_path: Path) -> None:
    config = read(tmp_path, 'seed = 7\n[space]\nelements = ["Li", "O", "Li"]\nchemical_systems = ["O-Li"]\n')
    assert (config.seed, config.space.elements, config.space.chemical_systems) == (7, ("Li", "O"), ("Li-O",))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[select]\nbugdet = 3", r"unknown key 'select.bugdet': allowed are strategy, budget"),
        ("colour = 1", r"unknown key 'colour': allowed are name, seed"),
        ("[predict]\nresidual = false", r"unknown key 'predict.residual': allowed are members"),
        ("[select]\nlikely = 0.5\nsubstitution_share = 0.2", r"unknown key 'select.likely': allowed are strategy"),
        ("[select]\nlikely = 2", r"select.substitution_share: .*less than or equal to 1"),
        ('[space]\nelements = ["Li", "Xx"]', r"space.elements: there is no element 'Xx'"),
        ("[space]\nelements = []", r"space.elements: is empty"),
        ('[space]\nchemical_systems = [""]', r"empty chemical system"),
        ("rounds = 0", r"rounds: .*greater than or equal to 1"),
        ("rounds = ", r"is not TOML"),
        ('name = "../x"', r"name: "),
    ],
)
def test_refusals_name_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "campaign.toml" in str(caught.value)


def test_the_settings_of_0_1_are_read_under_their_new_names_and_told(tmp_path: Path) -> None:
    with pytest.warns(OldNameWarning, match=r"predict.rehearsal is now predict.replay_buffer") as told:
        config = read(tmp_path, "[predict]\nresidual = true\nsteps = 2\nrehearsal = 7\n[generate]\nfloor = 0.0\n")
    assert (config.expert.steps, config.predict.replay_buffer) == (2, 7)
    assert len(told) == 1
    assert "generate.floor is no longer a setting" in str(told[0].message)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml.*gnome-lite init"):
        CampaignConfig.from_toml(tmp_path / "none.toml")


def test_mp_key_is_required_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(SourceError, match="set MP_API_KEY"):
        Settings().require_mp_key()
    monkeypatch.setenv("MP_API_KEY", "tooshort")
    with pytest.raises(SourceError, match="8 characters") as caught:
        Settings().require_mp_key()
    assert "tooshort" not in str(caught.value) + repr(Settings()) + Settings().model_dump_json()
