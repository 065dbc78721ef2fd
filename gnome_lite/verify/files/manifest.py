"""The manifest of a folder of asked crystals: ids, content hashes, level and hull. Data alone; nothing in it is run.

`manifest.json` is read with limits and checked whole before anything else of the folder is looked at.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gnome_lite.core.errors import ConfigError
from gnome_lite.core.limited import read_limited
from gnome_lite.verify.files.dft_levels import DftName, Settings, make_settings

MANIFEST = "manifest.json"
MOST_BYTES = 100_000_000
MOST_MEMBERS = 100_000
VERSION = 1


def _plain_id(text: str) -> str:
    if not text.isprintable() or "/" in text or "\\" in text or text.startswith("."):
        raise ValueError("it has parts of a path or characters that do not print")
    return text


Text = Annotated[str, StringConstraints(max_length=200)]
PlainId = Annotated[str, StringConstraints(min_length=1, max_length=150), AfterValidator(_plain_id)]
CrystalId = Annotated[str, StringConstraints(pattern=r"^gl-[0-9a-f]{16}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Strict):
    """One crystal that is asked for.

    Attributes:
        folder: its folder.
        id: of the candidate, or of the competing phase.
        content_hash: `Crystal.content_id` of the crystal as handed out.
    """

    folder: CrystalId
    id: PlainId
    role: Literal["candidate", "competing phase"]
    formula: Text
    content_hash: CrystalId


class Manifest(_Strict):
    """What was asked for.

    Attributes:
        level: name of the level, e.g. "vasp-mp".
        theory: its level of theory; for GPAW without the version, which a run adds.
        below: level of the crystals as handed out, which is the campaign's own.
        hull: id of the campaign's hull when it asked.
    """

    version: Literal[1]
    written_by: Text
    campaign: Text
    level: DftName
    theory: Text
    below: Text
    hull: Text
    settings: dict[str, Any]
    members: Annotated[tuple[Member, ...], Field(max_length=MOST_MEMBERS)]

    @property
    def checked_settings(self) -> Settings:
        """Settings of the program.

        Raises:
            ConfigError: if one is unknown or not allowed.
        """
        return make_settings(self.level, self.settings)

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.model_dump(), indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        ConfigError: if there is none, or it is not as `ask` writes it.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(read_limited(path, MOST_BYTES))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {path}: name a folder that `gnome-lite ask` wrote") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {f'{where}: ' if where else ''}{said}; restore it, or ask again") from error
    folders = [m.folder for m in manifest.members]
    if len(set(folders)) < len(folders):
        raise ConfigError(f"{path} names a folder twice: restore it, or ask again")
    _ = manifest.checked_settings
    return manifest
