"""The campaign files that `init` writes: settings, defaults and descriptions come from the config's own schema."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from gnome_lite.config import CampaignConfig

USUAL = {
    "space": ("elements", "chemical_systems", "max_elements"),
    "sources": ("seed", "files", "materials_project"),
    "generate": ("candidates", "mix", "max_atoms"),
    "predict": ("retrain",),
    "select": ("strategy", "budget", "control"),
    "stop": ("patience",),
    "verify": ("calculator", "processes", "levels"),
}
"""Settings that people change, by table; `init --all` writes the others too."""


def campaign_toml(config: CampaignConfig | None = None, every: bool = True) -> str:
    """Return a campaign as TOML with comments; reading it gives the same campaign.

    Args:
        config: default: the default campaign.
        every: all settings. Else those of `USUAL` and what is not at its default.
    """
    config = config or CampaignConfig()
    sections = {name: section for name, section in config if isinstance(section, BaseModel)}
    lines = ["# A gnome_lite campaign. Run it: gnome-lite run campaign.toml"]
    if not every:
        lines.append("# Every other setting is at its default; `gnome-lite init --all FILE` shows them all.")
    lines += ["", *(_line(config, key) for key, _ in config if key not in sections)]
    for name, section in sections.items():
        fields = type(section).model_fields
        shown = [
            _line(section, key)
            for key, value in section
            if (every or key in USUAL.get(name, ()) or value != fields[key].default)
            and (key != "level" or value)  # an empty table would forbid [verify.level.NAME] below it
        ]
        if shown:
            lines += ["", f"[{name}]  # {(type(section).__doc__ or '').splitlines()[0]}", *shown]
    return "\n".join(lines) + "\n"


def _line(section: BaseModel, key: str) -> str:
    value, comment = getattr(section, key), type(section).model_fields[key].description
    if value is None:  # TOML has no word for it
        return f"# {key} =  # {comment}; not set"
    return f"{key} = {_toml(value)}  # {comment}"


def _toml(value: Any) -> str:
    plain = to_jsonable_python(value)
    if isinstance(plain, (str, bool)):
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(plain, (int, float)):
        return repr(plain)
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in plain.items()) + "}"
    return "[" + ", ".join(map(_toml, plain)) + "]"
