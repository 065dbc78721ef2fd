"""gnome_lite: a GNoME-style active-learning loop for stable inorganic crystals that anyone can run.

Public names are loaded on first use, so that `import gnome_lite` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_PUBLIC = {
    "Crystal": "core.crystals",
    "CrystalBatch": "core.crystals",
    "CampaignConfig": "config",
    "Settings": "settings",
    "open_store": "assemble",
    "load_references": "assemble",
    "open_phases": "assemble",
    "run_campaign": "campaign.runner",
    "run_round": "campaign.runner",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"gnome_lite.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'gnome_lite' has no attribute {name!r}")
