"""Campaigns: recorded with their settings, and gone on with if these are the same but for what changes no finding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, func, select

from gnome_lite.core.errors import ConfigError
from gnome_lite.core.records import ModelRecord
from gnome_lite.store import rows, schema
from gnome_lite.store.checksums import require_sound
from gnome_lite.store.codec import to_json
from gnome_lite.store.settings_check import require_same
from gnome_lite.store.writes import change_campaign, insert, now

if TYPE_CHECKING:  # queries begin without pydantic's models
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet


def begin_campaign(connection: Connection, config: CampaignConfig, references: PhaseSet) -> None:
    """Record a campaign, or check that it may go on.

    Raises:
        ConfigError: if it exists with other settings or other references.
    """
    table = schema.campaign
    wanted = as_stored(config)
    found = require_settings(connection, config.name, wanted)
    if found is None:
        begun = now(connection.execute(select(func.max(table.c.begun_at))).scalar())
        row = {"name": config.name, "config": to_json(wanted), "begun_at": begun, "level": references.level}
        insert(connection, table, [row | {"reference_set_id": references.id, "n_references": len(references)}])
        return
    if (found["level"], found["reference_set_id"]) != (references.level, references.id):
        raise ConfigError(
            f"campaign {config.name!r} began with reference set {found['reference_set_id']} of level "
            f"{found['level']}, not {references.id} of {references.level}: give the campaign another name"
        )
    change_campaign(connection, config.name, config=to_json(wanted))


def as_stored(config: CampaignConfig) -> dict[str, Any]:
    """Return the settings of a campaign as its row holds them."""
    return dict(json.loads(to_json(config.model_dump(mode="json"))))


def require_settings(connection: Connection, name: str, wanted: Mapping[str, Any]) -> RowMapping | None:
    """Return the row of a campaign of this name, None if there is none.

    Raises:
        ConfigError: if it began with other settings.
    """
    table = schema.campaign
    found = connection.execute(select(table).where(table.c.name == name)).mappings().one_or_none()
    if found is not None:
        require_sound(table, found)
        require_same(name, json.loads(found["config"]), wanted)
    return found


def read_model(connection: Connection, campaign: str, round: int) -> ModelRecord | None:
    """The model in force at the start of a round: the last promoted one, else the base; None = there is none."""
    table = schema.model
    query = (
        select(table)
        .where(table.c.campaign == campaign, table.c.round < max(round, 1))
        .where(table.c.promoted | (table.c.round == 0))
        .order_by(table.c.round.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else rows.to_model(row)
