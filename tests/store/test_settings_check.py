"""With which settings a campaign goes on."""

from __future__ import annotations

from typing import Any

import pytest

from gnome_lite.assemble import read_stored
from gnome_lite.config import CampaignConfig
from gnome_lite.core.errors import ConfigError
from gnome_lite.core.old_settings import GONE, MOVED
from gnome_lite.store.settings_check import require_same

TODAY = CampaignConfig().model_dump(mode="json")


def as_0_1(**changed: Any) -> dict[str, Any]:
    """The default campaign as 0.1 stored it, with other values of some of its settings ("section.key")."""
    stored = {name: dict(value) if isinstance(value, dict) else value for name, value in TODAY.items()}
    del stored["predict"]["retrain"]
    for old, new in MOVED.items():
        (section, key), (new_section, new_key) = old.split("."), new.split(".")
        stored[section][key] = stored[new_section].pop(new_key)
    del stored["expert"]
    for old, value in (GONE | changed).items():
        section, key = old.split(".")
        stored[section][key] = value
    return stored


def test_a_campaign_of_0_1_goes_on_with_the_same_settings(recwarn: pytest.WarningsRecorder) -> None:
    require_same("x", as_0_1(), TODAY)
    assert read_stored(as_0_1()) == CampaignConfig()
    assert not recwarn


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"predict.rehearsal": 7}, r"began with predict.replay_buffer = 7, not 4000"),
        ({"generate.supercell_max": 2}, r"began with expert.supercell_max = 2, not 4"),
        ({"predict.readout": "state"}, r'began with predict.readout = "state", not null'),
    ],
)
def test_other_settings_of_0_1_are_refused_by_name(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require_same("x", as_0_1(**changed), TODAY)


def test_what_cannot_change_what_is_found_may_change() -> None:
    require_same("x", as_0_1(**{"stop.fresh": 0.5, "predict.processes": 3}), TODAY)
    require_same("x", TODAY, {**TODAY, "rounds": TODAY["rounds"] + 1})
    with pytest.raises(ConfigError, match="can only be given more"):
        require_same("x", TODAY, {**TODAY, "rounds": TODAY["rounds"] - 1})


def test_a_stored_campaign_is_read_without_what_no_longer_exists() -> None:
    assert read_stored(as_0_1(**{"predict.readout": "state", "stop.fresh": 0.5})).stop.min_new_fraction == 0.5
