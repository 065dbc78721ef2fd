"""Settings of campaigns under the names they had in 0.1; to be deleted in the version after 0.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOVED = {
    "select.likely": "select.substitution_share",
    "stop.fresh": "stop.min_new_fraction",
    "predict.rehearsal": "predict.replay_buffer",
    "predict.steps": "expert.steps",
    "predict.cutoff_ang": "expert.cutoff_ang",
    "predict.volume_jitter": "expert.volume_jitter",
    "generate.supercell_max": "expert.supercell_max",
    "generate.structures_per_composition": "expert.structures_per_composition",
}
GONE: dict[str, Any] = {
    "predict.residual": True,
    "predict.descriptors": True,
    "predict.layer_norm": True,
    "predict.angular": 8,
    "predict.volume_feature": False,
    "predict.readout": "atoms",
    "predict.jitter_share": 0.5,
    "generate.floor": 0.0,
}
"""Settings for ablations, with the value that is fixed now; another value stays in its place, to be refused."""


def with_current_names(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of a campaign under today's names, and a notice for each old name among them.

    Args:
        settings: tables by name, as in a campaign file; anything but tables is left as it is.
    """
    current = {name: dict(table) if isinstance(table, Mapping) else table for name, table in settings.items()}
    notices = []
    for old in (*MOVED, *GONE):
        section, _, key = old.partition(".")
        table = current.get(section)
        if not isinstance(table, dict) or key not in table:
            continue
        if old in MOVED:
            new_section, _, new_key = MOVED[old].partition(".")
            if new_key in (target := current.setdefault(new_section, {})):
                continue  # given under both names: the old one is refused as unknown
            target[new_key] = table.pop(key)
            notices.append(f"{old} is now {MOVED[old]}")
        elif table[key] == GONE[old]:
            del table[key]
            notices.append(f"{old} is no longer a setting")
    return current, notices
