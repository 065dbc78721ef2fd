"""Check that a campaign goes on with the settings it began with, but for those that cannot change what it finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gnome_lite.core.errors import ConfigError
from gnome_lite.core.old_settings import GONE, with_current_names

_FREE_SETTINGS = (
    "rounds", "predict.processes", "verify.processes", "stop.patience", "stop.hit_rate", "stop.min_new_fraction",
)  # fmt: skip
"""Settings that may change between two runs of a campaign: they cannot change what a round finds."""


def require_same(name: str, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse other settings than a campaign began with, by the first key that differs."""
    # A setting that an older gnome_lite did not know had its default.
    from gnome_lite.config import CampaignConfig

    before = _flat(CampaignConfig().model_dump(mode="json")) | _flat(with_current_names(stored)[0])
    after = _flat(wanted)
    for key in (*after, *GONE):
        if key not in _FREE_SETTINGS and before.get(key) != after.get(key):
            raise ConfigError(
                f"campaign {name!r} began with {key} = {json.dumps(before.get(key))}, not "
                f"{json.dumps(after.get(key))}: give the campaign another name, or restore that setting"
            )
    if after["rounds"] < before["rounds"]:
        raise ConfigError(
            f"campaign {name!r} began with rounds = {before['rounds']}, not {after['rounds']}: "
            "a campaign can only be given more"
        )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as {"section.key": value}."""
    sections = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in settings.items() if name not in sections}
    return plain | {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
